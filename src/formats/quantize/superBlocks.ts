// Super-blocks of 256 whose groups have scales of few bits: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K. The layouts stand in dequantize.ts.
//
// The scales of the groups are searched first and rounded together; then the levels are computed again for the rounded scales.

import type { QuantizeRow } from './index.ts';
import { clamp, extreme, LEAST, putHalf, rne, squares, weigh } from './numbers.ts';
import { type AffineSearch, affine, found, movedSigned, positive, signed } from './search.ts';

const f32 = Math.fround;
const SIZE = 256;

const levels = new Uint8Array(SIZE);
const weights = new Float32Array(32);
const scales = new Float32Array(16);
const minima = new Float32Array(16);
const sums = new Float32Array(16);
const scaleLevels = new Uint8Array(16);
const minimumLevels = new Uint8Array(16);

type QuantizeBlock = (x: Float32Array, from: number, importance: Float32Array | null, column: number, out: Uint8Array, at: number) => void;

const blocks =
  (bytes: number, block: QuantizeBlock): QuantizeRow =>
  (x, from, cols, importance, out, at) => {
    for (let c = 0; c < cols; c += SIZE, at += bytes) {
      out.fill(0, at, at + bytes);
      block(x, from + c, importance, c, out, at);
    }
  };

/** Weights of a group by importance; returns their sum. */
function groupWeights(x: Float32Array, from: number, count: number, importance: Float32Array, column: number, mean: number): number {
  weigh(x, from, count, importance, column, mean, weights);
  let sum = 0;
  for (let i = 0; i < count; i++) sum = f32(sum + weights[i]!);
  return sum;
}

/** Rounds the scales (or minima) of `groups` groups to 0..top; returns the super-block's scale. */
function roundTogether(groups: number, top: number, values: Float32Array, to: Uint8Array, weighted: boolean): number {
  if (weighted) return positive(groups, top, values, sums, to);
  let max = 0;
  for (let g = 0; g < groups; g++) max = Math.max(max, values[g]!);
  const inverse = max > 0 ? f32(top / max) : 0;
  for (let g = 0; g < groups; g++) to[g] = Math.min(top, rne(f32(inverse * values[g]!)));
  return f32(max / top);
}

/** Levels of a group for the scales as stored; a scale of zero leaves the search's levels. */
function levelsAgain(x: Float32Array, from: number, count: number, at: number, d: number, m: number, top: number): void {
  if (d === 0) return;
  for (let i = 0; i < count; i++) levels[at + i] = clamp(rne(f32(f32(x[from + at + i]! + m) / d)), 0, top);
}

/** The same for levels around zero. */
function signedAgain(x: Float32Array, from: number, at: number, d: number, half: number): void {
  if (d === 0) return;
  for (let i = 0; i < 16; i++) levels[at + i] = clamp(rne(f32(x[from + at + i]! / d)), -half, half - 1) + half;
}

const WEIGHTED: AffineSearch = { first: -0.9, step: 0.05, steps: 36, absolute: false };

const Q2: AffineSearch = { first: -0.5, step: 0.1, steps: 15, absolute: true };

export const q2_k: QuantizeRow = blocks(84, (x, from, importance, column, out, at) => {
  const mean = importance === null ? 0 : f32(squares(x, from, SIZE) / SIZE);
  for (let g = 0; g < 16; g++) {
    const a = 16 * g;
    if (importance === null) for (let i = 0; i < 16; i++) weights[i] = Math.abs(x[from + a + i]!);
    else sums[g] = groupWeights(x, from + a, 16, importance, column + a, mean);
    scales[g] = affine(16, 3, x, from + a, weights, levels, a, importance === null ? Q2 : WEIGHTED);
    minima[g] = found.minimum;
  }
  const d = putHalf(out, at + 80, roundTogether(16, 15, scales, scaleLevels, importance !== null));
  const dmin = putHalf(out, at + 82, roundTogether(16, 15, minima, minimumLevels, importance !== null));
  for (let g = 0; g < 16; g++) {
    out[at + g] = scaleLevels[g]! | (minimumLevels[g]! << 4);
    levelsAgain(x, from, 16, 16 * g, f32(d * scaleLevels[g]!), f32(dmin * minimumLevels[g]!), 3);
  }
  putCrumbs(out, at + 16);
});

export const q3_k: QuantizeRow = blocks(110, (x, from, importance, column, out, at) => {
  const mean = importance === null ? 0 : f32(f32(2 * squares(x, from, SIZE)) / SIZE);
  for (let g = 0; g < 16; g++) {
    const a = 16 * g;
    if (importance === null) {
      scales[g] = movedSigned(16, 4, x, from + a, levels, a);
    } else {
      sums[g] = groupWeights(x, from + a, 16, importance, column + a, mean);
      scales[g] = signed(16, 4, x, from + a, weights, 0, levels, a);
    }
  }
  let d: number;
  if (importance === null) {
    const largest = extreme(scales, 0, 16);
    const inverse = largest === 0 ? 0 : f32(-32 / largest);
    for (let g = 0; g < 16; g++) scaleLevels[g] = largest === 0 ? 0 : clamp(rne(f32(inverse * scales[g]!)), -32, 31) + 32;
    d = putHalf(out, at + 108, largest === 0 ? 0 : f32(1 / inverse));
  } else {
    d = putHalf(out, at + 108, signed(16, 32, scales, 0, sums, 0, scaleLevels, 0));
  }
  for (let g = 0; g < 16; g++) {
    const l = scaleLevels[g]!;
    out[at + 96 + (g & 7)]! |= g < 8 ? l & 15 : (l & 15) << 4;
    out[at + 104 + (g & 3)]! |= (l >> 4) << (2 * (g >> 2));
    signedAgain(x, from, 16 * g, f32(d * (l - 32)), 4);
  }
  for (let i = 0; i < SIZE; i++) {
    if (levels[i]! > 3) {
      out[at + (i & 31)]! |= 1 << (i >> 5);
      levels[i]! -= 4;
    }
  }
  putCrumbs(out, at + 32);
});

/** Q4_K and Q5_K: eight groups with scales and minima of six bits. */
function nibbles(bytes: number, top: number, search: AffineSearch): QuantizeRow {
  const isFive = top === 31;
  return blocks(bytes, (x, from, importance, column, out, at) => {
    const mean = importance === null ? 0 : f32(f32(2 * squares(x, from, SIZE)) / SIZE);
    for (let g = 0; g < 8; g++) {
      const a = 32 * g;
      if (importance === null) {
        const root = f32(Math.sqrt(f32(squares(x, from + a, 32) / 32)));
        for (let i = 0; i < 32; i++) weights[i] = root + Math.abs(x[from + a + i]!);
      } else {
        sums[g] = groupWeights(x, from + a, 32, importance, column + a, mean);
      }
      scales[g] = affine(32, top, x, from + a, weights, levels, a, importance === null ? search : WEIGHTED);
      minima[g] = found.minimum;
    }
    const d = putHalf(out, at, roundTogether(8, 63, scales, scaleLevels, importance !== null));
    const dmin = putHalf(out, at + 2, roundTogether(8, 63, minima, minimumLevels, importance !== null));
    for (let g = 0; g < 8; g++) {
      const s = scaleLevels[g]!;
      const m = minimumLevels[g]!;
      if (g < 4) {
        out[at + 4 + g]! |= s;
        out[at + 8 + g]! |= m;
      } else {
        out[at + 8 + g] = (s & 15) | ((m & 15) << 4);
        out[at + g]! |= (s >> 4) << 6;
        out[at + 4 + g]! |= (m >> 4) << 6;
      }
      levelsAgain(x, from, 32, 32 * g, f32(d * s), f32(dmin * m), top);
    }
    const low = at + (isFive ? 48 : 16);
    for (let i = 0; i < SIZE; i++) {
      const g = i >> 5;
      const l = levels[i]!;
      out[low + 32 * (g >> 1) + (i & 31)]! |= (l & 15) << (4 * (g & 1));
      if (isFive) out[at + 16 + (i & 31)]! |= (l >> 4) << g;
    }
  });
}

export const q4_k: QuantizeRow = nibbles(144, 15, { first: -1, step: 0.1, steps: 20, absolute: false });
export const q5_k: QuantizeRow = nibbles(176, 31, { first: -0.5, step: 0.1, steps: 15, absolute: false });

export const q6_k: QuantizeRow = blocks(210, (x, from, importance, column, out, at) => {
  for (let g = 0; g < 16; g++) scales[g] = signed(16, 32, x, from + 16 * g, importance, column + 16 * g, levels, 16 * g);
  const largest = extreme(scales, 0, 16);
  if (Math.abs(largest) < LEAST) return;
  const inverse = f32(-128 / largest);
  const d = putHalf(out, at + 208, f32(1 / inverse));
  for (let g = 0; g < 16; g++) {
    const s = Math.min(127, rne(f32(inverse * scales[g]!)));
    out[at + 192 + g] = s;
    signedAgain(x, from, 16 * g, f32(d * s), 32);
  }
  for (let i = 0; i < SIZE; i++) {
    const n = i >> 7;
    const j = (i >> 5) & 3;
    const l = levels[i]!;
    out[at + 64 * n + (i & 31) + 32 * (j & 1)]! |= (l & 15) << (j < 2 ? 0 : 4);
    out[at + 128 + 32 * n + (i & 31)]! |= (l >> 4) << (2 * j);
  }
});

/** Two bits of each level: 64 bytes of 4, each run of 32 in one bit position of its half. */
function putCrumbs(out: Uint8Array, at: number): void {
  for (let i = 0; i < SIZE; i++) out[at + 32 * (i >> 7) + (i & 31)]! |= levels[i]! << (2 * ((i >> 5) & 3));
}
