// The products of attention over one block of keys, for a tile of up to 4 lanes. `s` is a thread's scratch (layout.ts).

import { ALPHA, FROM, I16_QUERY, KV_F16, KV_I16, KV_Q8, MAX, P_SCALE, Q_SCALE, S_MASK, SUM, TO } from './layout.ts';
import { toI16 } from './softmax.ts';
import { tile1, tile1Narrow, tile4, widen } from './tiles.ts';

/**
 * out[lane][c] = sum over i < n of b[lane][i] * a[i][c], c < used, for 1 or 4 lanes; floats with `more` added to what stands there. a has strips
 * of 32 columns (the last one may be narrower) with `rows` rows each.
 */
export function product(
  kind: i32,
  lanes: i32,
  a: usize,
  rows: i32,
  columns: i32,
  used: i32,
  b: usize,
  n: i32,
  out: usize,
  s: usize,
  more: bool = false,
): void {
  if (kind == KV_I16) strips<i16>(lanes, a, rows, columns, used, b, (n + 1) >> 1, out, s, more);
  else if (kind == KV_Q8) strips<i8>(lanes, a, rows, columns, used, b, (n + 1) >> 1, out, s, more);
  else if (kind == KV_F16) strips<u16>(lanes, a, rows, columns, used, b, n, out, s, more);
  else strips<f32>(lanes, a, rows, columns, used, b, n, out, s, more);
}

function strips<T>(lanes: i32, a: usize, rows: i32, columns: i32, used: i32, b: usize, n: i32, out: usize, s: usize, more: bool): void {
  const unit: usize = isSigned<T>() ? 2 * sizeof<T>() : sizeof<T>(); // integers come in pairs of rows
  const mask = v128.load(s, S_MASK);
  const four = isSigned<T>() && sizeof<T>() == 2; // whole.ts has 4 lanes of i16, some of them zeros
  for (let c = 0; c < used; c += 32, a += <usize>(rows << 5) * sizeof<T>(), out += 128) {
    const width = min(32, columns - c),
      step = <usize>width * unit;
    if (!four && lanes == 1 && width == 32) {
      tile1<T>(a, step, b, n, out, mask, more);
      continue;
    }
    for (let j: usize = 0, end = <usize>min(width, used - c); j < end; j += 8) {
      if (!four && lanes == 1) tile1Narrow<T>(a + j * unit, step, b, n, out + (j << 2), mask, more);
      else tile4<T>(a + j * unit, step, b, n, out + (j << 2), more);
    }
  }
}

/** Packs one query row: times `scale`, zeros up to `padded`; q8, i16: as i16, its scale into the lane's state. */
export function packQuery(kind: i32, x: usize, dim: i32, padded: i32, scale: f32, q: usize, state: usize): void {
  const bytes = (<usize>dim) << 2,
    all = (<usize>padded) << 2,
    vectors = bytes & ~15;
  const f = f32x4.splat(scale);
  memory.fill(q, 0, all);
  let i: usize = 0;
  for (; i < vectors; i += 16) v128.store(q + i, f32x4.mul(v128.load(x + i), f));
  for (; i < bytes; i += 4) store<f32>(q + i, load<f32>(x + i) * scale);
  if (kind != KV_Q8 && kind != KV_I16) return;
  let m = f32x4.splat(0);
  for (i = 0; i < all; i += 16) m = f32x4.pmax(m, f32x4.abs(v128.load(q + i)));
  store<f32>(state, toI16(q, all, m, kind == KV_Q8 ? 32767 : <f32>I16_QUERY), Q_SCALE);
}

/** Where lane `lane` of key/value head h lies in f32 [rows, heads * dim] whose rows are `stride` bytes apart. */
export function laneAt(x: usize, stride: usize, h: i32, group: i32, lane: i32, dim: i32): usize {
  const r = lane / group;
  return x + <usize>r * stride + ((<usize>((h * group + lane - r * group) * dim)) << 2);
}

/** out = o * factor, dim elements. */
export function scaleOut(out: usize, o: usize, dim: i32, factor: f32): void {
  const bytes = (<usize>dim) << 2,
    vectors = bytes & ~15,
    f = f32x4.splat(factor);
  let c: usize = 0;
  for (; c < vectors; c += 16) v128.store(out + c, f32x4.mul(v128.load(o + c), f));
  for (; c < bytes; c += 4) store<f32>(out + c, load<f32>(o + c) * factor);
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
