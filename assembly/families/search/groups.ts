// A block of weights on its way to few bits: 256 values as groups side by side, their weights, levels and scales, in a thread's scratch.

import { L, level, W } from './lanes.ts';

/** f32 [count][groups], count * groups = 256. */
export const X: usize = 0;
/** u8 [256]: levels group by group. */
export const LEVELS: usize = 3072;
/** f32 [16] each. */
export const SCALES: usize = 3328;
export const MINIMA: usize = 3392;
export const SUMS: usize = 3456;
/** u8 [16] each. */
export const SCALE_LEVELS: usize = 3520;
export const MINIMUM_LEVELS: usize = 3536;
/** Room: for the scales as one group of 16, with weights and levels, f32 [16][8] each; for tables (curved.ts). */
export const SPARE: usize = 3552;

/** Values [groups][count] side by side: to [count][groups]. */
export function sideBySide(x: usize, to: usize, groups: i32, count: i32): void {
  for (let g = 0; g < groups; g++) {
    let at = to + 4 * g;
    for (let i = 0; i < count; i++, x += 4, at += 4 * groups) store<f32>(at, load<f32>(x));
  }
}

/** Blocks of 32 values x f32 [count][32], and where there is importance w, as groups; those that are missing of eight are zeros. */
export function columns32(x: usize, w: usize, count: i32, s: usize): void {
  if (count < 8) memory.fill(s + X, 0, 2048);
  for (let g = 0; g < count; g++) {
    for (let i = 0; i < 32; i++) {
      store<f32>(s + 4 * (8 * i + g), load<f32>(x + 4 * (32 * g + i)), X);
      if (w) store<f32>(s + 4 * (8 * i + g), load<f32>(w + 4 * (32 * g + i)), W);
    }
  }
}

/** Weights by importance, which lies in W as it is: importance * sqrt(mean + x^2), a and b the means of vectors in turns; their sums go to SUMS. */
export function weigh(s: usize, groups: i32, a: v128, b: v128): void {
  for (let at = s; at < s + 1024; at += 32) {
    const v = v128.load(at, X);
    v128.store(at, f32x4.mul(v128.load(at, W), f32x4.sqrt(f32x4.add(a, f32x4.mul(v, v)))), W);
    const u = v128.load(at, X + 16);
    v128.store(at, f32x4.mul(v128.load(at, W + 16), f32x4.sqrt(f32x4.add(b, f32x4.mul(u, u)))), W + 16);
  }
  for (let g = 0; g < 4 * groups; g += 16) {
    let sum = f32x4.splat(0);
    for (let at = s + g; at < s + 1024; at += 4 * groups) sum = f32x4.add(sum, v128.load(at, W));
    v128.store(s + g, sum, SUMS);
  }
}

/** Levels for the scales as stored, d[g] = scale * SCALE_LEVELS and m[g]: clamp((x + m) / d) - low; where d is 0 those of the search stay. */
export function levelsAgain(s: usize, groups: i32, low: f32, high: f32): void {
  const lowest = f32x4.splat(low);
  const highest = f32x4.splat(high);
  for (let g = 0; g < 4 * groups; g += 16) {
    const d = v128.load(s + g, SCALES);
    const m = v128.load(s + g, MINIMA);
    const kept = f32x4.eq(d, f32x4.splat(0));
    for (let at = s + g; at < s + 1024; at += 4 * groups) {
      const q = level(f32x4.div(f32x4.add(v128.load(at, X), m), d), lowest, highest);
      v128.store(at, v128.bitselect(v128.load(at, L), f32x4.sub(q, lowest), kept), L);
    }
  }
}

/** Levels as bytes, group by group. */
export function toBytes(s: usize, groups: i32, count: i32): void {
  for (let at = s; at < s + 1024; at += 16) v128.store(at, i32x4.trunc_sat_f32x4_s(v128.load(at, L)), L);
  let to = s + LEVELS;
  for (let g = 0; g < groups; g++) {
    let at = s + L + 4 * g;
    for (let i = 0; i < count; i++, at += 4 * groups) store<u8>(to++, load<u8>(at));
  }
}
