// Numbers of storage types (as in files) and of packed layouts (as in memory): for TypeScript and AssemblyScript.

export const FROM_F32 = 0;
export const FROM_F16 = 1;
export const FROM_BF16 = 2;
export const FROM_Q8_0 = 3;
export const FROM_Q4_0 = 4;

export const PACKED_F32 = 0;
export const PACKED_F16 = 1;
export const PACKED_Q8 = 2;
export const PACKED_Q4 = 3;
