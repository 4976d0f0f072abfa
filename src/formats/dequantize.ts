// Reference dequantization to float32, block by block, in the operation order of llama.cpp: every product and sum is rounded to float32, nothing is
// fused. For tests, inspection and small tensors; kernels have their own packed layouts.
//
// `d`, `m`, `dmin` are binary16 in the block. Super-blocks have 256 values: value i lies in half n = i>>7, run j = (i>>5)&3, lane l = i&31.

import { FormatError, UnsupportedError } from '../errors.ts';
import { f16ToF32 } from './half.ts';
import { BLOCKS, type StorageType } from './tensors.ts';

/** The 16 levels of IQ4_NL and IQ4_XS. */
export const IQ4_LEVELS: readonly number[] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** Writes the values of the block at byte `at` to `out` from `to` on. */
type Unpack = (view: DataView, at: number, out: Float32Array, to: number) => void;

const f32 = Math.fround;
const half = (view: DataView, at: number): number => f16ToF32(view.getUint16(at, true));

/** Blocks of 32 nibbles: the low ones are values 0..15, the high ones 16..31. */
const nibble = (view: DataView, at: number, i: number): number => (i < 16 ? view.getUint8(at + i) & 15 : view.getUint8(at + i - 16) >> 4);

const UNPACK: ReadonlyMap<StorageType, Unpack> = new Map<StorageType, Unpack>([
  // [d][16 nibble pairs]
  [
    'q4_0',
    (view, at, out, to) => {
      const d = half(view, at);
      for (let i = 0; i < 32; i++) out[to + i] = (nibble(view, at + 2, i) - 8) * d;
    },
  ],
  // [d][m][16 nibble pairs]
  [
    'q4_1',
    (view, at, out, to) => {
      const d = half(view, at);
      const m = half(view, at + 2);
      for (let i = 0; i < 32; i++) out[to + i] = f32(nibble(view, at + 4, i) * d) + m;
    },
  ],
  // [d][high bits, bit i of value i][16 nibble pairs]
  [
    'q5_0',
    (view, at, out, to) => {
      const d = half(view, at);
      const high = view.getUint32(at + 2, true);
      for (let i = 0; i < 32; i++) out[to + i] = ((nibble(view, at + 6, i) | (((high >>> i) & 1) << 4)) - 16) * d;
    },
  ],
  // [d][m][high bits][16 nibble pairs]
  [
    'q5_1',
    (view, at, out, to) => {
      const d = half(view, at);
      const m = half(view, at + 2);
      const high = view.getUint32(at + 4, true);
      for (let i = 0; i < 32; i++) out[to + i] = f32((nibble(view, at + 8, i) | (((high >>> i) & 1) << 4)) * d) + m;
    },
  ],
  // [d][32 i8]
  [
    'q8_0',
    (view, at, out, to) => {
      const d = half(view, at);
      for (let i = 0; i < 32; i++) out[to + i] = view.getInt8(at + 2 + i) * d;
    },
  ],
  // [d][16 nibble pairs]
  [
    'iq4_nl',
    (view, at, out, to) => {
      const d = half(view, at);
      for (let i = 0; i < 32; i++) out[to + i] = d * IQ4_LEVELS[nibble(view, at + 2, i)]!;
    },
  ],

  // [16 scale/min nibbles][64 x 4 crumbs][d][dmin]
  [
    'q2_k',
    (view, at, out, to) => {
      const d = half(view, at + 80);
      const dmin = half(view, at + 82);
      for (let i = 0; i < 256; i++) {
        const scale = view.getUint8(at + (i >> 4));
        out[to + i] = f32(f32(d * (scale & 15)) * crumb(view, at + 16, i)) - f32(dmin * (scale >> 4));
      }
    },
  ],
  // [32 x 8 high bits][64 x 4 crumbs][16 scales of 6 bits in 12 bytes][d]
  [
    'q3_k',
    (view, at, out, to) => {
      const d = half(view, at + 108);
      for (let i = 0; i < 256; i++) {
        const high = (view.getUint8(at + (i & 31)) >> (i >> 5)) & 1;
        const q = crumb(view, at + 32, i) - (high === 1 ? 0 : 4);
        out[to + i] = f32(d * (scale6(view, at + 96, i >> 4) - 32)) * q;
      }
    },
  ],
  // [d][dmin][8 scales and mins of 6 bits in 12 bytes][128 nibble pairs]
  [
    'q4_k',
    (view, at, out, to) => {
      const d = half(view, at);
      const dmin = half(view, at + 2);
      for (let i = 0; i < 256; i++) {
        const b = i >> 5;
        out[to + i] = f32(f32(d * subScale(view, at + 4, b)) * runNibble(view, at + 16, i)) - f32(dmin * subMin(view, at + 4, b));
      }
    },
  ],
  // [d][dmin][8 scales and mins of 6 bits in 12 bytes][32 x 8 high bits][128 nibble pairs]
  [
    'q5_k',
    (view, at, out, to) => {
      const d = half(view, at);
      const dmin = half(view, at + 2);
      for (let i = 0; i < 256; i++) {
        const b = i >> 5;
        const q = runNibble(view, at + 48, i) + 16 * ((view.getUint8(at + 16 + (i & 31)) >> b) & 1);
        out[to + i] = f32(f32(d * subScale(view, at + 4, b)) * q) - f32(dmin * subMin(view, at + 4, b));
      }
    },
  ],
  // [128 nibble pairs][64 x 4 high crumbs][16 i8 scales][d]
  [
    'q6_k',
    (view, at, out, to) => {
      const d = half(view, at + 208);
      for (let i = 0; i < 256; i++) {
        const n = i >> 7;
        const j = (i >> 5) & 3;
        const pair = view.getUint8(at + 64 * n + (i & 31) + 32 * (j & 1));
        const low = j < 2 ? pair & 15 : pair >> 4;
        const q = (low | (crumb(view, at + 128, i) << 4)) - 32;
        out[to + i] = f32(d * view.getInt8(at + 192 + (i >> 4))) * q;
      }
    },
  ],
  // [d f32][256 i8][16 sums i16]
  [
    'q8_k',
    (view, at, out, to) => {
      const d = view.getFloat32(at, true);
      for (let i = 0; i < 256; i++) out[to + i] = d * view.getInt8(at + 4 + i);
    },
  ],
  // [d][high scale bits u16][8 low scale nibbles][128 nibble pairs]
  [
    'iq4_xs',
    (view, at, out, to) => {
      const d = half(view, at);
      const high = view.getUint16(at + 2, true);
      for (let i = 0; i < 256; i++) {
        const b = i >> 5;
        const low = (view.getUint8(at + 4 + (b >> 1)) >> (4 * (b & 1))) & 15;
        const scale = (low | (((high >> (2 * b)) & 3) << 4)) - 32;
        out[to + i] = f32(d * scale) * IQ4_LEVELS[nibble(view, at + 8 + 16 * b, i & 31)]!;
      }
    },
  ],
]);

/** Two bits of value i: 64 bytes of 4, each run of 32 in one bit position of its half. */
function crumb(view: DataView, at: number, i: number): number {
  return (view.getUint8(at + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
}

/** Four bits of value i: each 32 bytes hold a run in their low nibbles and the next run in their high ones. */
function runNibble(view: DataView, at: number, i: number): number {
  const pair = view.getUint8(at + 32 * (i >> 6) + (i & 31));
  return (i >> 5) & 1 ? pair >> 4 : pair & 15;
}

/** Scale of group g (0..15) of Q3_K: low nibbles in 8 bytes, high crumbs in 4. */
function scale6(view: DataView, at: number, g: number): number {
  const low = g < 8 ? view.getUint8(at + g) & 15 : view.getUint8(at + g - 8) >> 4;
  return low | (((view.getUint8(at + 8 + (g & 3)) >> (2 * (g >> 2))) & 3) << 4);
}

/** Scale of sub-block b (0..7) of Q4_K and Q5_K. */
function subScale(view: DataView, at: number, b: number): number {
  if (b < 4) return view.getUint8(at + b) & 63;
  return (view.getUint8(at + b + 4) & 15) | ((view.getUint8(at + b - 4) >> 6) << 4);
}

/** Min of sub-block b (0..7) of Q4_K and Q5_K. */
function subMin(view: DataView, at: number, b: number): number {
  if (b < 4) return view.getUint8(at + b + 4) & 63;
  return (view.getUint8(at + b + 4) >> 4) | ((view.getUint8(at + b) >> 6) << 4);
}

type Plain = 'f32' | 'f16' | 'bf16';
const isPlain = (type: StorageType): type is Plain => type === 'f32' || type === 'f16' || type === 'bf16';

/** Every binary16 value by its bits: made at first use. */
let halves: Float32Array | undefined;

/** The plain types in bulk: a call for each value would cost more than all else that is done with large tensors. */
function plainValues(type: Plain, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (type === 'f32') return new Float32Array(new Uint8Array(bytes).buffer);
  // A copy is aligned.
  const { buffer, byteOffset, length } = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Uint16Array(buffer, byteOffset, length / 2);
  if (type === 'bf16') {
    const bits = new Uint32Array(words.length);
    for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
    return new Float32Array(bits.buffer);
  }
  halves ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToF32(i));
  const out = new Float32Array(words.length);
  for (let i = 0; i < words.length; i++) out[i] = halves[words[i]!]!;
  return out;
}

/**
 * The float32 values of stored bytes: any whole number of blocks of a weight type (`f32`, `f16`, `bf16` and the quantized ones).
 * @throws UnsupportedError for integer types and f64; FormatError `structure` where the bytes are no whole number of blocks
 */
export function dequantize(type: StorageType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const unpack = UNPACK.get(type);
  if (unpack === undefined && !isPlain(type)) throw new UnsupportedError(`dequantize: tensors of type ${type} are no weights`);
  const block = BLOCKS[type];
  const blocks = bytes.byteLength / block.bytes;
  if (!Number.isInteger(blocks))
    throw new FormatError('structure', `dequantize: got ${bytes.byteLength} bytes of ${type}, a multiple of ${block.bytes} is expected`);
  if (unpack === undefined) return plainValues(type as Plain, bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(blocks * block.values);
  for (let i = 0; i < blocks; i++) unpack(view, i * block.bytes, out, i * block.values);
  return out;
}
