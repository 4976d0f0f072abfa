// IQ4_NL and IQ4_XS: four bits into sixteen levels that lie closer together near zero.
//
//   IQ4_NL [d][16]   IQ4_XS [d][high scale bits: 2][low scale nibbles: 4][128]

import { IQ4_LEVELS } from '../dequantize.ts';
import type { QuantizeRow } from './index.ts';
import { clamp, extreme, LEAST, putHalf, rne, squares, weigh } from './numbers.ts';

const f32 = Math.fround;
const LEVELS = Float32Array.from(IQ4_LEVELS);
const LOWEST = LEVELS[0]!;
const weights = new Float32Array(32);
const scales = new Float32Array(8);

/** Number of the nearest level; of two equally near ones the upper. */
function nearest(v: number): number {
  if (v <= LOWEST) return 0;
  if (v >= LEVELS[15]!) return 15;
  let low = 0;
  let high = 15;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (v < LEVELS[middle]!) high = middle;
    else low = middle;
  }
  return f32(v - LEVELS[low]!) < f32(LEVELS[high]! - v) ? low : high;
}

/** Weighted sums of products and of squares of 32 values' levels; `sums.product / sums.square` is the best scale for these levels. */
const sums = { product: 0, square: 0 };

function sumUp(x: Float32Array, from: number, inverse: number): void {
  let product = 0;
  let square = 0;
  for (let i = 0; i < 32; i++) {
    const v = x[from + i]!;
    const q = LEVELS[nearest(f32(inverse * v))]!;
    const wq = f32(weights[i]! * q);
    product = f32(product + f32(wq * v));
    square = f32(square + f32(wq * q));
  }
  sums.product = product;
  sums.square = square;
}

const bestScale = (): number => (sums.square === 0 ? 0 : f32(sums.product / sums.square));

/** Scale of 32 values with `weights`, 0 for zeros: of the plain scale and its neighbours the one with the least error. */
function search(x: Float32Array, from: number): number {
  const max = extreme(x, from, 32);
  if (Math.abs(max) < LEAST) return 0;
  sumUp(x, from, f32(1 / f32(-max / LOWEST)));
  let d = bestScale();
  let best = f32(d * sums.product);
  for (let t = -7; t <= 7; t++) {
    sumUp(x, from, f32((t + LOWEST) / max));
    const { product, square } = sums;
    if (!(square > 0 && f32(product * product) > f32(best * square))) continue;
    d = bestScale();
    best = f32(d * product);
  }
  return d;
}

function setWeights(x: Float32Array, from: number, importance: Float32Array | null, column: number, mean: number): void {
  if (importance === null) for (let i = 0; i < 32; i++) weights[i] = x[from + i]! * x[from + i]!;
  else weigh(x, from, 32, importance, column, mean, weights);
}

function putLevels(x: Float32Array, from: number, inverse: number, out: Uint8Array, at: number): void {
  const level = (i: number) => nearest(f32(x[from + i]! * inverse));
  for (let i = 0; i < 16; i++) out[at + i] = level(i) | (level(i + 16) << 4);
}

const inverseOf = (d: number): number => (d === 0 ? 0 : f32(1 / d));

export const iq4_nl: QuantizeRow = (x, from, cols, importance, out, at) => {
  for (let c = 0; c < cols; c += 32, at += 18) {
    setWeights(x, from + c, importance, c, importance === null ? 0 : f32(squares(x, from + c, 32) / 16));
    const d = search(x, from + c);
    putHalf(out, at, d);
    putLevels(x, from + c, inverseOf(d), out, at + 2);
  }
};

/** Without the search: the levels of the plain scale, and the best scale for them. */
export const iq4_nl_fast: QuantizeRow = (x, from, cols, _importance, out, at) => {
  for (let c = from; c < from + cols; c += 32, at += 18) {
    const max = extreme(x, c, 32);
    const inverse = Math.abs(max) < LEAST ? 0 : f32(1 / f32(max / LOWEST));
    setWeights(x, c, null, 0, 0);
    sumUp(x, c, inverse);
    putHalf(out, at, inverse === 0 ? 0 : bestScale());
    putLevels(x, c, inverse, out, at + 2);
  }
};

export const iq4_xs: QuantizeRow = (x, from, cols, importance, out, at) => {
  for (let c = from; c < from + cols; c += 256, at += 136) {
    const mean = importance === null ? 0 : f32(squares(x, c, 256) / 128);
    for (let b = 0; b < 8; b++) {
      setWeights(x, c + 32 * b, importance, c - from + 32 * b, mean);
      scales[b] = search(x, c + 32 * b);
    }
    const d = f32(-extreme(scales, 0, 8) / 32);
    const inverse = inverseOf(d);
    putHalf(out, at, d);
    out.fill(0, at + 2, at + 8);
    for (let b = 0; b < 8; b++) {
      const l = clamp(rne(f32(inverse * scales[b]!)), -32, 31);
      const bits = l + 32;
      out[at + 4 + (b >> 1)]! |= (bits & 15) << (4 * (b & 1));
      out[at + 2 + (b >> 2)]! |= (bits >> 4) << (2 * (b & 3));
      putLevels(x, c + 32 * b, inverseOf(f32(d * l)), out, at + 8 + 16 * b);
    }
  }
};
