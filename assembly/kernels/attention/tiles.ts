// out[lane][c] = sum over i < n of b[lane][i] * a[i][c]: the inner loops of attention; rows of a lie `step` bytes apart.
//
// For scores c is a key and i an element, for values c is an element and i a key. Each sum runs over i in one accumulator, multiply then
// add, so a tile of 4 lanes and a tile of 1 lane give the same bits. Lanes of b and out lie LANE_BYTES apart.
//
//   T = f32   floats
//   T = f16   (u16) as floats too small by 2^108 (layout.ts); mask: the bits of a widened f16
//   T = i8    a row of a holds two i of each c side by side, b is i16, n counts pairs; out is i32, exact
//   T = i16   the same
//   more      floats: the sums go on from what stands in out

import { LANE_BYTES } from './layout.ts';

/** 4 lanes, 8 columns. */
export function tile4<T>(a: usize, step: usize, b: usize, n: i32, out: usize, more: bool): void {
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  const zero = s0;
  if (sizeof<T>() == 4 && more) {
    s0 = v128.load(out);
    s1 = v128.load(out, 16);
    s2 = v128.load(out, LANE_BYTES);
    s3 = v128.load(out, LANE_BYTES + 16);
    s4 = v128.load(out, 2 * LANE_BYTES);
    s5 = v128.load(out, 2 * LANE_BYTES + 16);
    s6 = v128.load(out, 3 * LANE_BYTES);
    s7 = v128.load(out, 3 * LANE_BYTES + 16);
  }
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const x = columns<T>(a, zero),
      y = columns<T>(a + 4 * units<T>(), zero);
    let w = v128.load32_splat(b);
    s0 = accumulate<T>(s0, x, w);
    s1 = accumulate<T>(s1, y, w);
    w = v128.load32_splat(b, LANE_BYTES);
    s2 = accumulate<T>(s2, x, w);
    s3 = accumulate<T>(s3, y, w);
    w = v128.load32_splat(b, 2 * LANE_BYTES);
    s4 = accumulate<T>(s4, x, w);
    s5 = accumulate<T>(s5, y, w);
    w = v128.load32_splat(b, 3 * LANE_BYTES);
    s6 = accumulate<T>(s6, x, w);
    s7 = accumulate<T>(s7, y, w);
    a += step;
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, LANE_BYTES);
  v128.store(out, s3, LANE_BYTES + 16);
  v128.store(out, s4, 2 * LANE_BYTES);
  v128.store(out, s5, 2 * LANE_BYTES + 16);
  v128.store(out, s6, 3 * LANE_BYTES);
  v128.store(out, s7, 3 * LANE_BYTES + 16);
}

/** 1 lane, 32 columns. */
export function tile1<T>(a: usize, step: usize, b: usize, n: i32, out: usize, mask: v128, more: bool): void {
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0,
    s4 = s0,
    s5 = s0,
    s6 = s0,
    s7 = s0;
  if (sizeof<T>() == 4 && more) {
    s0 = v128.load(out);
    s1 = v128.load(out, 16);
    s2 = v128.load(out, 32);
    s3 = v128.load(out, 48);
    s4 = v128.load(out, 64);
    s5 = v128.load(out, 80);
    s6 = v128.load(out, 96);
    s7 = v128.load(out, 112);
  }
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const w = v128.load32_splat(b);
    s0 = accumulate<T>(s0, columns<T>(a, mask), w);
    s1 = accumulate<T>(s1, columns<T>(a + 4 * units<T>(), mask), w);
    s2 = accumulate<T>(s2, columns<T>(a + 8 * units<T>(), mask), w);
    s3 = accumulate<T>(s3, columns<T>(a + 12 * units<T>(), mask), w);
    s4 = accumulate<T>(s4, columns<T>(a + 16 * units<T>(), mask), w);
    s5 = accumulate<T>(s5, columns<T>(a + 20 * units<T>(), mask), w);
    s6 = accumulate<T>(s6, columns<T>(a + 24 * units<T>(), mask), w);
    s7 = accumulate<T>(s7, columns<T>(a + 28 * units<T>(), mask), w);
    a += step;
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

/** 1 lane, 8 columns: what 32 leave over. */
export function tile1Narrow<T>(a: usize, step: usize, b: usize, n: i32, out: usize, mask: v128, more: bool): void {
  let s0 = i32x4.splat(0),
    s1 = s0;
  if (sizeof<T>() == 4 && more) {
    s0 = v128.load(out);
    s1 = v128.load(out, 16);
  }
  for (const end = b + ((<usize>n) << 2); b < end; b += 4) {
    const w = v128.load32_splat(b);
    s0 = accumulate<T>(s0, columns<T>(a, mask), w);
    s1 = accumulate<T>(s1, columns<T>(a + 4 * units<T>(), mask), w);
    a += step;
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
}

/** Bytes of a column in a row of a. */
function units<T>(): usize {
  return isSigned<T>() ? 2 * sizeof<T>() : sizeof<T>();
}

/** 4 columns. */
function columns<T>(a: usize, mask: v128): v128 {
  if (sizeof<T>() == 4 || (isSigned<T>() && sizeof<T>() == 2)) return v128.load(a);
  if (sizeof<T>() == 2) return widen(a, mask);
  return v128.load_ext<i8>(a);
}

function accumulate<T>(s: v128, x: v128, w: v128): v128 {
  if (isSigned<T>()) return i32x4.add(s, i32x4.dot_i16x8_s(x, w));
  return f32x4.add(s, f32x4.mul(w, x));
}

/** 4 values of f16 as f32 that are too small by 2^108. */
export function widen(a: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load_ext<i16>(a), 13), mask);
}
