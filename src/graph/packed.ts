// Storage types and packed layouts by the numbers that kernels know them by.

import * as storage from '../../assembly/storage.ts';
import type { StorageType } from '../formats/tensors.ts';
import type { DType, PackedType } from './tensor.ts';

export const PACKED: Readonly<Record<PackedType, number>> = {
  'packed-f32': storage.PACKED_F32,
  'packed-f16': storage.PACKED_F16,
  'packed-q8': storage.PACKED_Q8,
  'packed-q4': storage.PACKED_Q4,
};

export const isPacked = (dtype: DType): dtype is PackedType => dtype in PACKED;

const FLOATS = { f32: storage.FROM_F32, f16: storage.FROM_F16, bf16: storage.FROM_BF16 } as const;

/** What the pack kernel reads, by what it writes. Float types are rounded (to f16) or quantized (to q8, q4) where the target is smaller. */
export const SOURCES: Readonly<Record<PackedType, Partial<Record<StorageType, number>>>> = {
  'packed-f32': FLOATS,
  'packed-f16': FLOATS,
  'packed-q8': { ...FLOATS, q8_0: storage.FROM_Q8_0 },
  'packed-q4': { ...FLOATS, q4_0: storage.FROM_Q4_0 },
};
