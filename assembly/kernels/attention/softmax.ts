// One lane's softmax over a block of keys: scores at p become weights. `state` and `s`: layout.ts.

import { expF32x4 } from '../../exp.ts';
import { ALPHA, KV_F16, KV_Q8, MAX, P_SCALE, S_EXP, SUM } from './layout.ts';

/** q8: integer scores of one lane, times the scales of its query row and of the keys. */
export function scaleScores(p: usize, n: i32, keyScales: usize, scale: f32): void {
  const f = f32x4.splat(scale);
  for (let i: usize = 0, end = (<usize>n) << 2; i < end; i += 16) {
    v128.store(p + i, f32x4.mul(f32x4.convert_i32x4_s(v128.load(p + i)), f32x4.mul(f, v128.load(keyScales + i))));
  }
}

/**
 * One lane's online softmax over a block: n scores at p, of which from..to are visible (at least one), become weights e^(score - max),
 * 0 where masked. The largest score, the sum and the factor of the old sums go into the lane's state.
 */
export function softmaxStep(p: usize, n: i32, from: i32, to: i32, state: usize, s: usize): void {
  const bytes = (<usize>((n + 3) & ~3)) << 2;
  for (let i: usize = 0, end = (<usize>from) << 2; i < end; i += 4) store<f32>(p + i, -Infinity);
  for (let i = (<usize>to) << 2; i < bytes; i += 4) store<f32>(p + i, -Infinity);

  let m = v128.load(p);
  for (let i: usize = 16; i < bytes; i += 16) m = f32x4.pmax(m, v128.load(p + i));
  const old = v128.load_splat<f32>(state, MAX);
  m = f32x4.pmax(largest(m), old);

  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const w = expF32x4(f32x4.sub(v128.load(p + i), m), s + S_EXP);
    v128.store(p + i, w);
    sum = f32x4.add(sum, w);
  }
  const total = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3));
  const alpha = f32x4.extract_lane(expF32x4(f32x4.sub(old, m), s + S_EXP), 0);
  store<f32>(state, f32x4.extract_lane(m, 0), MAX);
  store<f32>(state, load<f32>(state, SUM) * alpha + total, SUM);
  store<f32>(state, alpha, ALPHA);
}

/** Weights as the value tile wants them: f16 takes the 2^108 that its values lack; q8 as i16 with the values' scales in them. */
export function packWeights(kind: i32, p: usize, n: i32, valueScales: usize, state: usize): void {
  const bytes = (<usize>((n + 3) & ~3)) << 2;
  if (kind == KV_F16) {
    const f = f32x4.splat(reinterpret<f32>(0x75800000));
    for (let i: usize = 0; i < bytes; i += 16) v128.store(p + i, f32x4.mul(v128.load(p + i), f));
  }
  if (kind != KV_Q8) return;
  let m = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const w = v128.load(p + i);
    // The scale of a masked key may be garbage.
    const x = v128.and(f32x4.mul(w, v128.load(valueScales + i)), f32x4.gt(w, f32x4.splat(0)));
    v128.store(p + i, x);
    m = f32x4.pmax(m, x);
  }
  store<f32>(state, toI16(p, bytes, m, 32767), P_SCALE);
}

/** f32 values become i16 of at most `levels` in place; the largest magnitude is among the four of m. Returns their scale. */
export function toI16(p: usize, bytes: usize, m: v128, levels: f32): f32 {
  const most = f32x4.extract_lane(largest(m), 0);
  const factor = f32x4.splat(most < 1e-30 ? 0 : levels / most);
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(p + i), factor)));
    v128.store64_lane(p + (i >> 1), i16x8.narrow_i32x4_s(x, x), 0);
  }
  return most / levels;
}

/** The largest of four, in all lanes. */
export function largest(m: v128): v128 {
  m = f32x4.pmax(m, i8x16.shuffle(m, m, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.pmax(m, i8x16.shuffle(m, m, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
}
