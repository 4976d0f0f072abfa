// out[lane][c] = sum over i < n of b[lane][i] * a[i * step + c]: the inner loops of attention.
//
// For scores a is a group of 8 keys and i an element; for values a is 8 columns and i a key. Each sum runs over i in one accumulator,
// multiply then add, so a tile of 4 lanes and a tile of 1 lane give the same bits. Lanes of b and out lie LANE_BYTES apart.

import { LANE_BYTES } from './layout.ts';

/** 4 lanes, 8 columns, f32. */
export function tile4F32(a: usize, step: usize, b: usize, n: i32, out: usize): void {
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const x = v128.load(a),
      y = v128.load(a, 16);
    let w = v128.load_splat<f32>(b);
    s0 = f32x4.add(s0, f32x4.mul(w, x));
    s1 = f32x4.add(s1, f32x4.mul(w, y));
    w = v128.load_splat<f32>(b, LANE_BYTES);
    s2 = f32x4.add(s2, f32x4.mul(w, x));
    s3 = f32x4.add(s3, f32x4.mul(w, y));
    w = v128.load_splat<f32>(b, 2 * LANE_BYTES);
    s4 = f32x4.add(s4, f32x4.mul(w, x));
    s5 = f32x4.add(s5, f32x4.mul(w, y));
    w = v128.load_splat<f32>(b, 3 * LANE_BYTES);
    s6 = f32x4.add(s6, f32x4.mul(w, x));
    s7 = f32x4.add(s7, f32x4.mul(w, y));
    a += step;
  }
  store4(out, s0, s1, s2, s3, s4, s5, s6, s7);
}

/** 4 lanes, 8 columns; a is i8 and b i16, both in pairs: n counts pairs. The result is i32, exact. */
export function tile4Q8(a: usize, step: usize, b: usize, n: i32, out: usize): void {
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const x = v128.load_ext<i8>(a),
      y = v128.load_ext<i8>(a, 8);
    let w = v128.load_splat<i32>(b);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(x, w));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(y, w));
    w = v128.load_splat<i32>(b, LANE_BYTES);
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(x, w));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(y, w));
    w = v128.load_splat<i32>(b, 2 * LANE_BYTES);
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(x, w));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(y, w));
    w = v128.load_splat<i32>(b, 3 * LANE_BYTES);
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(x, w));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(y, w));
    a += step;
  }
  store4(out, s0, s1, s2, s3, s4, s5, s6, s7);
}

function store4(out: usize, s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128): void {
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, LANE_BYTES);
  v128.store(out, s3, LANE_BYTES + 16);
  v128.store(out, s4, 2 * LANE_BYTES);
  v128.store(out, s5, 2 * LANE_BYTES + 16);
  v128.store(out, s6, 3 * LANE_BYTES);
  v128.store(out, s7, 3 * LANE_BYTES + 16);
}

/** 1 lane, 4 groups of 8 columns that lie `group` bytes apart, f32. */
export function tile1F32(a: usize, step: usize, group: usize, b: usize, n: i32, out: usize): void {
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  let a1 = a + group,
    a2 = a1 + group,
    a3 = a2 + group;
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const w = v128.load_splat<f32>(b);
    s0 = f32x4.add(s0, f32x4.mul(w, v128.load(a)));
    s1 = f32x4.add(s1, f32x4.mul(w, v128.load(a, 16)));
    s2 = f32x4.add(s2, f32x4.mul(w, v128.load(a1)));
    s3 = f32x4.add(s3, f32x4.mul(w, v128.load(a1, 16)));
    s4 = f32x4.add(s4, f32x4.mul(w, v128.load(a2)));
    s5 = f32x4.add(s5, f32x4.mul(w, v128.load(a2, 16)));
    s6 = f32x4.add(s6, f32x4.mul(w, v128.load(a3)));
    s7 = f32x4.add(s7, f32x4.mul(w, v128.load(a3, 16)));
    a += step;
    a1 += step;
    a2 += step;
    a3 += step;
  }
  store1(out, s0, s1, s2, s3, s4, s5, s6, s7);
}

/** As tile1F32, widening f16 with the mask of S_MASK. */
export function tile1F16(a: usize, step: usize, group: usize, b: usize, n: i32, out: usize, mask: v128): void {
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  let a1 = a + group,
    a2 = a1 + group,
    a3 = a2 + group;
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const w = v128.load_splat<f32>(b);
    s0 = f32x4.add(s0, f32x4.mul(w, widen(a, mask)));
    s1 = f32x4.add(s1, f32x4.mul(w, widen(a + 8, mask)));
    s2 = f32x4.add(s2, f32x4.mul(w, widen(a1, mask)));
    s3 = f32x4.add(s3, f32x4.mul(w, widen(a1 + 8, mask)));
    s4 = f32x4.add(s4, f32x4.mul(w, widen(a2, mask)));
    s5 = f32x4.add(s5, f32x4.mul(w, widen(a2 + 8, mask)));
    s6 = f32x4.add(s6, f32x4.mul(w, widen(a3, mask)));
    s7 = f32x4.add(s7, f32x4.mul(w, widen(a3 + 8, mask)));
    a += step;
    a1 += step;
    a2 += step;
    a3 += step;
  }
  store1(out, s0, s1, s2, s3, s4, s5, s6, s7);
}

/** As tile1F32 on i8 and i16 pairs. */
export function tile1Q8(a: usize, step: usize, group: usize, b: usize, n: i32, out: usize): void {
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  let a1 = a + group,
    a2 = a1 + group,
    a3 = a2 + group;
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const w = v128.load_splat<i32>(b);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load_ext<i8>(a), w));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load_ext<i8>(a, 8), w));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v128.load_ext<i8>(a1), w));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v128.load_ext<i8>(a1, 8), w));
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(v128.load_ext<i8>(a2), w));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(v128.load_ext<i8>(a2, 8), w));
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(v128.load_ext<i8>(a3), w));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(v128.load_ext<i8>(a3, 8), w));
    a += step;
    a1 += step;
    a2 += step;
    a3 += step;
  }
  store1(out, s0, s1, s2, s3, s4, s5, s6, s7);
}

function store1(out: usize, s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128): void {
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

/** 4 values of f16 as f32 that are too small by 2^108. */
export function widen(a: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load_ext<i16>(a), 13), mask);
}
