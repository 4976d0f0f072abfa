// What the quantizers with a formula and integer dot products have in common.

import { f16ToF32, f32ToF16 } from '../half.ts';

/** 1.5 * 2^23: adding it leaves no bits below 1, and the addition rounds to nearest even. */
const MAGIC = 12582912;

/** Nearest integer of a float32 within +-2^22, ties to even. */
export const rne = (value: number): number => Math.fround(value + MAGIC) - MAGIC;

/** Writes a number as binary16; returns what was stored. */
export function putHalf(out: Uint8Array, at: number, value: number): number {
  const bits = f32ToF16(value);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return f16ToF32(bits);
}

/** The value of largest magnitude, with its sign; the first of equals. */
export function extreme(x: Float32Array, from: number, count: number): number {
  let most = 0;
  let value = 0;
  for (let i = from; i < from + count; i++) {
    const size = Math.abs(x[i]!);
    if (size > most) {
      most = size;
      value = x[i]!;
    }
  }
  return value;
}
