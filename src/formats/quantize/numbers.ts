// Float32 arithmetic as the quantizers need it: every sum and product is rounded, so that the bytes are the same everywhere.

import { f16ToF32, f32ToF16 } from '../half.ts';

const f32 = Math.fround;
/** 1.5 * 2^23: adding it leaves no bits below 1, and the addition rounds to nearest even. */
const MAGIC = 12582912;

/** A group whose largest magnitude lies below is zero. */
export const LEAST: number = f32(1e-15);

/** Nearest integer of a float32 within +-2^22, ties to even. */
export const rne = (value: number): number => f32(value + MAGIC) - MAGIC;

/** `value` within `low..high`. */
export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Writes a number as binary16; returns what was stored. */
export function putHalf(out: Uint8Array, at: number, value: number): number {
  const bits = f32ToF16(value);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return f16ToF32(bits);
}

/** The value of largest magnitude, with its sign; the first of equals; 0 where all lie below LEAST. */
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

/** Sum of squares, one after the other. */
export function squares(x: Float32Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum = f32(sum + f32(x[i]! * x[i]!));
  return sum;
}

/** out[i] = importance[i] * sqrt(mean + x[i]^2): columns that matter count more, and so do large values. */
export function weigh(
  x: Float32Array,
  from: number,
  count: number,
  importance: Float32Array,
  column: number,
  mean: number,
  out: Float32Array,
): void {
  for (let i = 0; i < count; i++) {
    const v = x[from + i]!;
    out[i] = importance[column + i]! * f32(Math.sqrt(f32(mean + f32(v * v))));
  }
}
