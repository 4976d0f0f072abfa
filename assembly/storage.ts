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
export const PACKED_BF16 = 4;

// Blocks (families/blocks.ts): the number of the layout says what was stored, too. From Q4_K on they are super-blocks of 256.
export const PACKED_Q4_1 = 16;
export const PACKED_Q5_0 = 17;
export const PACKED_Q5_1 = 18;
export const PACKED_IQ4_NL = 19;
export const PACKED_Q4_K = 20;
export const PACKED_Q5_K = 21;
export const PACKED_IQ4_XS = 22;
export const PACKED_Q6_K = 23;
export const PACKED_Q3_K = 24;
export const PACKED_Q2_K = 25;
