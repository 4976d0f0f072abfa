// Reference of the integer dot products: activations rounded to 8 bits per block, products of integers, one scale per block.
//
//   Q4_0 Q5_0 Q8_0 IQ4_NL     d_w d_a sum q_w q_a                                  activations Q8_0
//   Q4_1 Q5_1                 d_w d_a sum q_w q_a + m_w s_a                        activations Q8_1, s_a = d_a sum q_a
//   256-blocks                d_a (d sum sc q_w q_a - dmin sum mn q_a)             activations Q8_K
//
// For tests: kernels have packed layouts of their own.

import { UnsupportedError } from '../errors.ts';
import { dequantize } from './dequantize.ts';
import { f16ToF32 } from './half.ts';
import { extreme, putHalf, rne } from './quantize/numbers.ts';
import { q8_0 } from './quantize/simple.ts';
import { BLOCKS, type StorageType } from './tensors.ts';

export type ActivationType = 'q8_0' | 'q8_1' | 'q8_k';

const f32 = Math.fround;

/** Where the binary16 scale of a block stands, and that of its minima. */
const SCALES: ReadonlyMap<StorageType, { readonly d: number; readonly min?: number; readonly activations: ActivationType }> = new Map([
  ['q4_0', { d: 0, activations: 'q8_0' }],
  ['q5_0', { d: 0, activations: 'q8_0' }],
  ['q8_0', { d: 0, activations: 'q8_0' }],
  ['iq4_nl', { d: 0, activations: 'q8_0' }],
  ['q4_1', { d: 0, min: 2, activations: 'q8_1' }],
  ['q5_1', { d: 0, min: 2, activations: 'q8_1' }],
  ['q2_k', { d: 80, min: 82, activations: 'q8_k' }],
  ['q3_k', { d: 108, activations: 'q8_k' }],
  ['q4_k', { d: 0, min: 2, activations: 'q8_k' }],
  ['q5_k', { d: 0, min: 2, activations: 'q8_k' }],
  ['q6_k', { d: 208, activations: 'q8_k' }],
  ['iq4_xs', { d: 0, activations: 'q8_k' }],
]);

/** Rounds rows of `cols` activations to 8 bits. Blocks: Q8_0 [d][32]; Q8_1 [d][s][32]; Q8_K [d f32][256][16 sums i16]. */
export function quantizeActivations(type: ActivationType, x: Float32Array, cols: number): Uint8Array<ArrayBuffer> {
  if (type === 'q8_k') return superBlocks(x);
  const plain = new Uint8Array((x.length / 32) * 34);
  for (let at = 0; at < x.length; at += cols) q8_0(x, at, cols, null, plain, (at / 32) * 34);
  return type === 'q8_0' ? plain : withSums(x, plain);
}

/** Q8_1 out of Q8_0: the sum is scaled by the scale before its rounding. */
function withSums(x: Float32Array, plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((x.length / 32) * 36);
  for (let b = 0; b < x.length / 32; b++) {
    const block = plain.subarray(34 * b, 34 * b + 34);
    out.set(block.subarray(0, 2), 36 * b);
    out.set(block.subarray(2), 36 * b + 4);
    let sum = 0;
    for (const q of new Int8Array(block.buffer, block.byteOffset + 2, 32)) sum += q;
    putHalf(out, 36 * b + 2, f32(f32(Math.abs(extreme(x, 32 * b, 32)) / 127) * sum));
  }
  return out;
}

function superBlocks(x: Float32Array): Uint8Array<ArrayBuffer> {
  const { bytes } = BLOCKS.q8_k;
  const out = new Uint8Array((x.length / 256) * bytes);
  const view = new DataView(out.buffer);
  for (let b = 0; b < x.length / 256; b++) {
    const max = extreme(x, 256 * b, 256);
    if (max === 0) continue;
    const at = b * bytes;
    const inverse = f32(-127 / max);
    view.setFloat32(at, f32(1 / inverse), true);
    for (let g = 0; g < 16; g++) {
      let sum = 0;
      for (let i = 16 * g; i < 16 * g + 16; i++) {
        const q = Math.min(127, rne(f32(inverse * x[256 * b + i]!)));
        view.setInt8(at + 4 + i, q);
        sum += q;
      }
      view.setInt16(at + 260 + 2 * g, sum, true);
    }
  }
  return out;
}

const ONE = 0x3c00;

/**
 * Dot product of a row of weights with a row of activations of the type that goes with it.
 * @throws UnsupportedError for types without blocks
 */
export function blockDot(type: StorageType, weights: Uint8Array, activations: Uint8Array): number {
  const fields = SCALES.get(type);
  if (fields === undefined) throw new UnsupportedError(`blockDot: got ${type}, one of ${[...SCALES.keys()].join(', ')} is expected`);
  const { values, bytes } = BLOCKS[type];
  const width = { q8_0: 34, q8_1: 36, q8_k: BLOCKS.q8_k.bytes }[fields.activations];
  let total = 0;
  for (let b = 0; b * bytes < weights.length; b++) {
    const block = Uint8Array.from(weights.subarray(b * bytes, (b + 1) * bytes));
    const view = new DataView(block.buffer);
    const take = (at: number, bits: number): number => {
      const value = f16ToF32(view.getUint16(at, true));
      view.setUint16(at, bits, true);
      return value;
    };
    // With a scale of one the values are the integers themselves: levels, or levels times their group's scale.
    const d = take(fields.d, ONE);
    const dmin = fields.min === undefined ? 0 : take(fields.min, 0);
    const levels = dequantize(type, block);
    const a = new DataView(activations.buffer, activations.byteOffset + b * width, width);
    const da = fields.activations === 'q8_k' ? a.getFloat32(0, true) : f16ToF32(a.getUint16(0, true));
    const first = fields.activations === 'q8_0' ? 2 : 4;
    const sum = (x: Float32Array): number => {
      let n = 0;
      for (let i = 0; i < values; i++) n += x[i]! * a.getInt8(first + i);
      return n;
    };
    const product = sum(levels);
    if (fields.activations !== 'q8_k') {
      const offset = fields.activations === 'q8_1' ? f32(dmin * f16ToF32(a.getUint16(2, true))) : 0;
      total = f32(total + f32(f32(product * f32(d * da)) + offset));
      continue;
    }
    let minima = 0;
    if (fields.min !== undefined) {
      view.setUint16(fields.d, 0, true);
      view.setUint16(fields.min, ONE, true);
      minima = sum(dequantize(type, block));
    }
    total = f32(total + f32(da * f32(f32(d * product) + f32(dmin * minima))));
  }
  return total;
}
