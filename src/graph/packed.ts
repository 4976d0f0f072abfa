// Storage types and packed layouts by the numbers that kernels know them by.

import * as storage from '../../assembly/storage.ts';
import type { StorageType } from '../formats/tensors.ts';
import type { DType, PackedType } from './tensor.ts';

/** Raised whenever the bytes of any packed layout change: files that hold them are then refused. kernels-tests/convert/packed.test.ts notices. */
export const PACKED_VERSION = 1;

export const PACKED: Readonly<Record<PackedType, number>> = {
  'packed-f32': storage.PACKED_F32,
  'packed-f16': storage.PACKED_F16,
  'packed-bf16': storage.PACKED_BF16,
  'packed-q8': storage.PACKED_Q8,
  'packed-q4': storage.PACKED_Q4,
  'packed-q4_1': storage.PACKED_Q4_1,
  'packed-q5_0': storage.PACKED_Q5_0,
  'packed-q5_1': storage.PACKED_Q5_1,
  'packed-iq4_nl': storage.PACKED_IQ4_NL,
  'packed-q4_k': storage.PACKED_Q4_K,
  'packed-q5_k': storage.PACKED_Q5_K,
  'packed-iq4_xs': storage.PACKED_IQ4_XS,
  'packed-q6_k': storage.PACKED_Q6_K,
  'packed-q3_k': storage.PACKED_Q3_K,
  'packed-q2_k': storage.PACKED_Q2_K,
};

export const isPacked = (dtype: DType): dtype is PackedType => dtype in PACKED;

const FLOATS = { f32: storage.FROM_F32, f16: storage.FROM_F16, bf16: storage.FROM_BF16 } as const;

/** What the pack kernel reads, by what it writes. Float types are rounded (to f16) or quantized (to q8, q4) where the target is smaller. */
export const SOURCES: Readonly<Record<PackedType, Partial<Record<StorageType, number>>>> = {
  'packed-f32': FLOATS,
  'packed-f16': FLOATS,
  'packed-bf16': { bf16: storage.FROM_BF16 },
  'packed-q8': { ...FLOATS, q8_0: storage.FROM_Q8_0 },
  'packed-q4': { ...FLOATS, q4_0: storage.FROM_Q4_0 },
  // The layout itself says what was stored.
  'packed-q4_1': { q4_1: 0 },
  'packed-q5_0': { q5_0: 0 },
  'packed-q5_1': { q5_1: 0 },
  'packed-iq4_nl': { iq4_nl: 0 },
  'packed-q4_k': { q4_k: 0 },
  'packed-q5_k': { q5_k: 0 },
  'packed-iq4_xs': { iq4_xs: 0 },
  'packed-q6_k': { q6_k: 0 },
  'packed-q3_k': { q3_k: 0 },
  'packed-q2_k': { q2_k: 0 },
};
