// Super-blocks of 256 whose groups have scales of few bits: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K. The layouts stand in src/formats/dequantize.ts.
//
// The scales of the groups are searched first and rounded together; then the levels are computed again for the rounded scales.
// `x` f32 [256], `w` f32 [256] importance or 0, `to` the block's bytes, `s` the thread's scratch (groups.ts).

import { LEVELS, levelsAgain, MINIMA, MINIMUM_LEVELS, SCALE_LEVELS, SCALES, SPARE, SUMS, sideBySide, toBytes, weigh, X } from './groups.ts';
import { affine, L, LEAST, moved, signed, W } from './lanes.ts';
import { extremeOf, putHalf, roundTogether, squaresOf } from './scalar.ts';

const STEPS_WEIGHTED = 36;

/** Groups side by side, with weights by importance where there is one. `twice`: the mean counts double. */
function begin(x: usize, w: usize, s: usize, groups: i32, twice: bool): void {
  const count = 256 / groups;
  sideBySide(x, s + X, groups, count);
  if (!w) return;
  sideBySide(w, s + W, groups, count);
  const sum = squaresOf(x, 256);
  const mean = f32x4.splat(twice ? (<f32>2 * sum) / 256 : sum / 256);
  weigh(s, groups, mean, mean);
}

/** Searches scales and minima of all groups. */
function affineGroups(s: usize, groups: i32, top: f32, first: f32, step: f32, steps: i32, absolute: bool): void {
  for (let g: usize = 0; g < 4 * <usize>groups; g += 32) {
    const at = s + g;
    affine(at + X, 4 * groups, 256 / groups, top, first, step, steps, absolute, at + SCALES, at + MINIMA);
  }
}

/** d * level and dmin * level of each group, in place of the searched ones. */
function storedScales(s: usize, groups: i32, d: f32, dmin: f32): void {
  for (let g = 0; g < groups; g++) {
    store<f32>(s + SCALES + 4 * g, d * <f32>load<u8>(s + SCALE_LEVELS + g));
    store<f32>(s + MINIMA + 4 * g, dmin * <f32>load<u8>(s + MINIMUM_LEVELS + g));
  }
}

/** Two bits of each level: 64 bytes of 4, each run of 32 in one bit position of its half. */
function putCrumbs(s: usize, to: usize): void {
  for (let i = 0; i < 256; i++) {
    const at = to + 32 * (i >> 7) + (i & 31);
    store<u8>(at, load<u8>(at) | (load<u8>(s + LEVELS + i) << (2 * ((<u8>i >> 5) & 3))));
  }
}

export function blockQ2K(x: usize, w: usize, to: usize, s: usize): void {
  begin(x, w, s, 16, false);
  if (w) affineGroups(s, 16, 3, -0.9, 0.05, STEPS_WEIGHTED, false);
  else {
    for (let at = s; at < s + 1024; at += 16) v128.store(at, f32x4.abs(v128.load(at, X)), W);
    affineGroups(s, 16, 3, -0.5, 0.1, 15, true);
  }
  const weights = w ? s + SUMS : 0;
  const d = putHalf(to + 80, roundTogether(16, 15, s + SCALES, s + SCALE_LEVELS, weights));
  const dmin = putHalf(to + 82, roundTogether(16, 15, s + MINIMA, s + MINIMUM_LEVELS, weights));
  for (let g = 0; g < 16; g++) store<u8>(to + g, load<u8>(s + SCALE_LEVELS + g) | (load<u8>(s + MINIMUM_LEVELS + g) << 4));
  storedScales(s, 16, d, dmin);
  levelsAgain(s, 16, 0, 3);
  toBytes(s, 16, 16);
  putCrumbs(s, to + 16);
}

export function blockQ3K(x: usize, w: usize, to: usize, s: usize): void {
  begin(x, w, s, 16, true);
  if (w) for (let at = s; at < s + 64; at += 32) signed(at + X, 64, 16, 4, true, at + SCALES);
  else for (let at = s; at < s + 64; at += 16) moved(at + X, 64, 16, 4, at + SCALES);
  let d: f32 = 0;
  if (w) {
    // The 16 scales are one group, in all lanes.
    const one = s + SPARE;
    for (let g = 0; g < 16; g++) {
      for (let lanes: usize = 0; lanes < 32; lanes += 16) {
        v128.store(one + lanes + 32 * g, f32x4.splat(load<f32>(s + SCALES + 4 * g)));
        v128.store(one + lanes + 32 * g, f32x4.splat(load<f32>(s + SUMS + 4 * g)), W);
      }
    }
    signed(one, 32, 16, 32, true, s + MINIMA);
    for (let g = 0; g < 16; g++) store<u8>(s + SCALE_LEVELS + g, <u8>(<i32>load<f32>(one + 32 * g, L)));
    d = load<f32>(s + MINIMA);
  } else {
    const largest = extremeOf(s + SCALES, 16);
    const inverse: f32 = largest == 0 ? 0 : <f32>-32 / largest;
    for (let g = 0; g < 16; g++) {
      const q = nearest(inverse * load<f32>(s + SCALES + 4 * g));
      store<u8>(s + SCALE_LEVELS + g, largest == 0 ? 0 : <u8>(<i32>min<f32>(31, max<f32>(-32, q)) + 32));
    }
    d = largest == 0 ? 0 : <f32>1 / inverse;
  }
  d = putHalf(to + 108, d);
  for (let g = 0; g < 16; g++) {
    const l = <i32>load<u8>(s + SCALE_LEVELS + g);
    const low = to + 96 + (g & 7);
    const high = to + 104 + (g & 3);
    store<u8>(low, load<u8>(low) | ((l & 15) << (g < 8 ? 0 : 4)));
    store<u8>(high, load<u8>(high) | ((l >> 4) << (2 * (g >> 2))));
    store<f32>(s + SCALES + 4 * g, d * <f32>(l - 32));
    store<f32>(s + MINIMA + 4 * g, 0);
  }
  levelsAgain(s, 16, -4, 3);
  toBytes(s, 16, 16);
  for (let i = 0; i < 256; i++) {
    const l = load<u8>(s + LEVELS + i);
    if (l <= 3) continue;
    store<u8>(to + (i & 31), load<u8>(to + (i & 31)) | ((<u8>1) << (<u8>i >> 5)));
    store<u8>(s + LEVELS + i, l - 4);
  }
  putCrumbs(s, to + 32);
}

/** Q4_K (`five` false) and Q5_K: eight groups with scales and minima of six bits. */
export function blockQ45K(x: usize, w: usize, to: usize, s: usize, five: bool): void {
  const top: f32 = five ? 31 : 15;
  begin(x, w, s, 8, true);
  if (w) affineGroups(s, 8, top, -0.9, 0.05, STEPS_WEIGHTED, false);
  else {
    for (let g = s; g < s + 32; g += 16) {
      let sum = f32x4.splat(0);
      for (let at = g; at < s + 1024; at += 32) {
        const v = v128.load(at, X);
        sum = f32x4.add(sum, f32x4.mul(v, v));
      }
      const root = f32x4.sqrt(f32x4.div(sum, f32x4.splat(32)));
      for (let at = g; at < s + 1024; at += 32) v128.store(at, f32x4.add(root, f32x4.abs(v128.load(at, X))), W);
    }
    if (five) affineGroups(s, 8, top, -0.5, 0.1, 15, false);
    else affineGroups(s, 8, top, -1, 0.1, 20, false);
  }
  const weights = w ? s + SUMS : 0;
  const d = putHalf(to, roundTogether(8, 63, s + SCALES, s + SCALE_LEVELS, weights));
  const dmin = putHalf(to + 2, roundTogether(8, 63, s + MINIMA, s + MINIMUM_LEVELS, weights));
  for (let g = 0; g < 4; g++) {
    const a = <i32>load<u8>(s + SCALE_LEVELS + g);
    const b = <i32>load<u8>(s + MINIMUM_LEVELS + g);
    const c = <i32>load<u8>(s + SCALE_LEVELS + g + 4);
    const e = <i32>load<u8>(s + MINIMUM_LEVELS + g + 4);
    store<u8>(to + 4 + g, a | ((c >> 4) << 6));
    store<u8>(to + 8 + g, b | ((e >> 4) << 6));
    store<u8>(to + 12 + g, (c & 15) | ((e & 15) << 4));
  }
  storedScales(s, 8, d, dmin);
  levelsAgain(s, 8, 0, top);
  toBytes(s, 8, 32);
  const low = to + (five ? 48 : 16);
  for (let i = 0; i < 256; i++) {
    const g = i >> 5;
    const l = <i32>load<u8>(s + LEVELS + i);
    const at = low + 32 * (g >> 1) + (i & 31);
    store<u8>(at, load<u8>(at) | ((l & 15) << (4 * (g & 1))));
    if (five) store<u8>(to + 16 + (i & 31), load<u8>(to + 16 + (i & 31)) | ((l >> 4) << g));
  }
}

export function blockQ6K(x: usize, w: usize, to: usize, s: usize): void {
  sideBySide(x, s + X, 16, 16);
  if (w) sideBySide(w, s + W, 16, 16);
  for (let at = s; at < s + 64; at += 32) signed(at + X, 64, 16, 32, w != 0, at + SCALES);
  const largest = extremeOf(s + SCALES, 16);
  if (abs(largest) < LEAST) return;
  const inverse: f32 = <f32>-128 / largest;
  const d = putHalf(to + 208, 1 / inverse);
  for (let g = 0; g < 16; g++) {
    const q = <i32>min<f32>(127, nearest(inverse * load<f32>(s + SCALES + 4 * g)));
    store<u8>(to + 192 + g, q);
    store<f32>(s + SCALES + 4 * g, d * <f32>q);
    store<f32>(s + MINIMA + 4 * g, 0);
  }
  levelsAgain(s, 16, -32, 31);
  toBytes(s, 16, 16);
  for (let i = 0; i < 256; i++) {
    const n = i >> 7;
    const j = (i >> 5) & 3;
    const l = <i32>load<u8>(s + LEVELS + i);
    const low = to + 64 * n + (i & 31) + 32 * (j & 1);
    const high = to + 128 + 32 * n + (i & 31);
    store<u8>(low, load<u8>(low) | ((l & 15) << (j < 2 ? 0 : 4)));
    store<u8>(high, load<u8>(high) | ((l >> 4) << (2 * j)));
  }
}
