// Blocks of 32 whose scale has a formula: Q8_0, and without importance Q4_0, Q4_1, Q5_0, Q5_1 (with it: assembly/families/search/blocks32.ts).
//
//   Q4_0 [d][16]   Q4_1 [d][m][16]   Q5_0 [d][high bits: 4][16]   Q5_1 [d][m][high bits: 4][16]   Q8_0 [d][32]

import type { QuantizeRow } from './index.ts';
import { extreme, putHalf } from './numbers.ts';

const f32 = Math.fround;
const SIZE = 32;

const levels = new Uint8Array(SIZE);

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
  return (x, from, cols, _importance, out, at) => {
    for (let c = from; c < from + cols; c += SIZE, at += bytes) {
      const d = extreme(x, c, SIZE) / -half;
      const inverse = d === 0 ? 0 : f32(1 / d);
      for (let i = 0; i < SIZE; i++) levels[i] = Math.min(2 * half - 1, Math.trunc(f32(f32(x[c + i]! * inverse) + (half + 0.5))));
      putHalf(out, at, d);
      putLevels(out, at + 2, isFive);
    }
  };
}

/** Levels from a minimum on: 16 or 32. */
function offset(top: number): QuantizeRow {
  const isFive = top === 31;
  const bytes = isFive ? 24 : 20;
  return (x, from, cols, _importance, out, at) => {
    for (let c = from; c < from + cols; c += SIZE, at += bytes) {
      let m = x[c]!;
      let max = m;
      for (let i = 1; i < SIZE; i++) {
        const v = x[c + i]!;
        if (v < m) m = v;
        if (v > max) max = v;
      }
      const d = f32(f32(max - m) / top);
      const inverse = d === 0 ? 0 : f32(1 / d);
      for (let i = 0; i < SIZE; i++) levels[i] = Math.min(top, Math.trunc(f32(f32(f32(x[c + i]! - m) * inverse) + 0.5)));
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
