// The steps of attention over one block of keys for up to 4 lanes. `s` is a thread's scratch (layout.ts).

import { expF32x4 } from '../../exp.ts';
import { ALPHA, FROM, KV_F16, KV_Q8, MAX, P_SCALE, Q_SCALE, S_EXP, S_MASK, SUM, TO } from './layout.ts';
import { tile1, tile1Narrow, tile4, widen } from './tiles.ts';

/**
 * out[lane][c] = sum over i < n of b[lane][i] * a[i][c], c < used, for 1 or 4 lanes. a has strips of 32 columns (the last one may be
 * narrower) with `rows` rows each.
 */
export function product(kind: i32, lanes: i32, a: usize, rows: i32, columns: i32, used: i32, b: usize, n: i32, out: usize, s: usize): void {
  if (kind == KV_Q8) strips<i8>(lanes, a, rows, columns, used, b, (n + 1) >> 1, out, s);
  else if (kind == KV_F16) strips<u16>(lanes, a, rows, columns, used, b, n, out, s);
  else strips<f32>(lanes, a, rows, columns, used, b, n, out, s);
}

function strips<T>(lanes: i32, a: usize, rows: i32, columns: i32, used: i32, b: usize, n: i32, out: usize, s: usize): void {
  const unit: usize = sizeof<T>() == 1 ? 2 : sizeof<T>(); // i8 come in pairs of rows
  const mask = v128.load(s, S_MASK);
  for (let c = 0; c < used; c += 32, a += <usize>(rows << 5) * sizeof<T>(), out += 128) {
    const width = min(32, columns - c),
      step = <usize>width * unit;
    if (lanes == 1 && width == 32) {
      tile1<T>(a, step, b, n, out, mask);
      continue;
    }
    for (let j: usize = 0, end = <usize>min(width, used - c); j < end; j += 8) {
      if (lanes == 1) tile1Narrow<T>(a + j * unit, step, b, n, out + (j << 2), mask);
      else tile4<T>(a + j * unit, step, b, n, out + (j << 2));
    }
  }
}

/** Packs one query row: times `scale`, zeros up to `padded`; q8: as i16, its scale into the lane's state. */
export function packQuery(kind: i32, x: usize, dim: i32, padded: i32, scale: f32, q: usize, state: usize): void {
  memory.fill(q, 0, (<usize>padded) << 2);
  if (kind == KV_Q8) {
    let most: f32 = 0;
    for (let i = 0; i < dim; i++) most = max(most, abs(load<f32>(x + ((<usize>i) << 2)) * scale));
    store<f32>(state, most / 32767, Q_SCALE);
    const factor: f32 = most < 1e-30 ? 0 : 32767 / most;
    for (let i = 0; i < dim; i++) store<i16>(q + ((<usize>i) << 1), <i16>nearest(load<f32>(x + ((<usize>i) << 2)) * scale * factor));
    return;
  }
  for (let i = 0; i < dim; i++) store<f32>(q + ((<usize>i) << 2), load<f32>(x + ((<usize>i) << 2)) * scale);
}

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
  m = f32x4.pmax(m, i8x16.shuffle(m, m, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  m = f32x4.pmax(m, i8x16.shuffle(m, m, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  const old = v128.load_splat<f32>(state, MAX);
  m = f32x4.pmax(m, old);

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
  let most: f32 = 0;
  for (let i: usize = 0; i < bytes; i += 4) {
    const w = load<f32>(p + i);
    const x: f32 = w == 0 ? 0 : w * load<f32>(valueScales + i); // the scale of a masked key may be garbage
    store<f32>(p + i, x);
    most = max(most, x);
  }
  store<f32>(state, most / 32767, P_SCALE);
  const factor: f32 = most < 1e-30 ? 0 : 32767 / most;
  for (let i: usize = 0; i < bytes; i += 4) store<i16>(p + (i >> 1), <i16>nearest(load<f32>(p + i) * factor));
}

/** o = o * alpha + t, one lane. */
export function addValues(kind: i32, o: usize, t: usize, padded: i32, state: usize): void {
  const alpha = v128.load_splat<f32>(state, ALPHA),
    scale = v128.load_splat<f32>(state, P_SCALE);
  for (let i: usize = 0, end = (<usize>padded) << 2; i < end; i += 16) {
    const x = v128.load(t + i);
    const y = kind == KV_Q8 ? f32x4.mul(f32x4.convert_i32x4_s(x), scale) : x;
    v128.store(o + i, f32x4.add(f32x4.mul(v128.load(o + i), alpha), y));
  }
}

/** `count` f16 values, a multiple of 8, as f32 too small by 2^108. */
export function widenAll(a: usize, count: i32, out: usize, s: usize): void {
  const mask = v128.load(s, S_MASK);
  for (const end = a + ((<usize>count) << 1); a < end; a += 16, out += 32) {
    v128.store(out, widen(a, mask));
    v128.store(out, widen(a + 8, mask), 16);
  }
}

/** Fresh state of a lane that sees keys from..to. */
export function beginLane(state: usize, from: i32, to: i32): void {
  store<i32>(state, from, FROM);
  store<i32>(state, to, TO);
  store<f32>(state, -Infinity, MAX);
  store<f32>(state, 0, SUM);
}
