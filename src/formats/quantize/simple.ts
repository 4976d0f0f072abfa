// Blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. Without importance one division; with it a search.
//
//   Q4_0 [d][16]   Q4_1 [d][m][16]   Q5_0 [d][high bits: 4][16]   Q5_1 [d][m][high bits: 4][16]   Q8_0 [d][32]

import type { QuantizeRow } from './index.ts';
import { extreme, putHalf, squares, weigh } from './numbers.ts';
import { type AffineSearch, affine, found, signed } from './search.ts';

const f32 = Math.fround;
const SIZE = 32;
const SEARCH: AffineSearch = { first: -0.9, step: 0.05, steps: 36, absolute: false };

const levels = new Uint8Array(SIZE);
const weights = new Float32Array(SIZE);

/** Nibbles, and where there are five bits the fifth ones before them. */
function putLevels(out: Uint8Array, at: number, isFive: boolean): void {
  if (isFive) {
    let high = 0;
    for (let i = 0; i < SIZE; i++) high |= (levels[i]! >> 4) << i;
    for (let b = 0; b < 4; b++) out[at + b] = high >>> (8 * b);
    at += 4;
  }
  for (let i = 0; i < 16; i++) out[at + i] = (levels[i]! & 15) | ((levels[i + 16]! & 15) << 4);
}

/** Symmetric levels: 16 or 32 around zero. */
function symmetric(half: number): QuantizeRow {
  const isFive = half === 16;
  const bytes = isFive ? 22 : 18;
  return (x, from, cols, importance, out, at) => {
    const mean = importance === null ? 0 : f32(squares(x, from, cols) / cols);
    for (let c = 0; c < cols; c += SIZE, at += bytes) {
      let d: number;
      if (importance === null) {
        d = extreme(x, from + c, SIZE) / -half;
        const inverse = d === 0 ? 0 : f32(1 / d);
        for (let i = 0; i < SIZE; i++) levels[i] = Math.min(2 * half - 1, Math.trunc(f32(f32(x[from + c + i]! * inverse) + (half + 0.5))));
      } else {
        weigh(x, from + c, SIZE, importance, c, mean, weights);
        d = signed(SIZE, half, x, from + c, weights, 0, levels, 0);
      }
      putHalf(out, at, d);
      putLevels(out, at + 2, isFive);
    }
  };
}

/** Levels from a minimum on: 16 or 32. */
function offset(top: number): QuantizeRow {
  const isFive = top === 31;
  const bytes = isFive ? 24 : 20;
  return (x, from, cols, importance, out, at) => {
    const mean = importance === null ? 0 : f32(squares(x, from, cols) / cols);
    for (let c = 0; c < cols; c += SIZE, at += bytes) {
      let d: number;
      let m: number;
      if (importance === null) {
        m = x[from + c]!;
        let max = m;
        for (let i = 1; i < SIZE; i++) {
          const v = x[from + c + i]!;
          if (v < m) m = v;
          if (v > max) max = v;
        }
        d = f32(f32(max - m) / top);
        const inverse = d === 0 ? 0 : f32(1 / d);
        for (let i = 0; i < SIZE; i++) levels[i] = Math.min(top, Math.trunc(f32(f32(f32(x[from + c + i]! - m) * inverse) + 0.5)));
      } else {
        weigh(x, from + c, SIZE, importance, c, mean, weights);
        d = affine(SIZE, top, x, from + c, weights, levels, 0, SEARCH);
        m = -found.minimum;
      }
      putHalf(out, at, d);
      putHalf(out, at + 2, m);
      putLevels(out, at + 4, isFive);
    }
  };
}

export const q4_0: QuantizeRow = symmetric(8);
export const q5_0: QuantizeRow = symmetric(16);
export const q4_1: QuantizeRow = offset(15);
export const q5_1: QuantizeRow = offset(31);

/** Eight bits are fine enough that importance changes nothing. */
export const q8_0: QuantizeRow = (x, from, cols, _importance, out, at) => {
  for (let c = from; c < from + cols; c += SIZE, at += 34) {
    const d = f32(Math.abs(extreme(x, c, SIZE)) / 127);
    const inverse = d === 0 ? 0 : f32(1 / d);
    putHalf(out, at, d);
    for (let i = 0; i < SIZE; i++) {
      const v = f32(x[c + i]! * inverse);
      // Half away from zero, exactly: adding 0.5 to the float64 rounds nothing.
      out[at + 2 + i] = v < 0 ? -Math.floor(0.5 - v) : Math.floor(v + 0.5);
    }
  }
};
