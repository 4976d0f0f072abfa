// One row of activations and 8 outputs of blocks whose levels are numbers in a table (IQ4), without a panel: the sums of tileQ8, or of tileQ in
// the plain build.

import { HALF_MASK, HALF_SCALE, halvesHigh, halvesLow, LEVELS_HIGH, LEVELS_LOW, NIBBLE_BYTES, ONES, SIXTEENS } from './constants.ts';
import { Q8_BYTES, WORDS } from './layouts.ts';

/** `per` blocks stand under one d; more than one have scales. */
export function rowLevels(w: usize, x: usize, supers: usize, per: usize, sums: usize, c: usize): void {
  const scales: usize = per > 1 ? 8 : 0;
  const mask = v128.load(c, NIBBLE_BYTES),
    low = v128.load(c, LEVELS_LOW),
    high = v128.load(c, LEVELS_HIGH);
  let f0 = f32x4.splat(0),
    f1 = f0;
  for (const end = w + supers * (16 + per * (scales + 128)); w < end; ) {
    const h = v128.load(w);
    const d0 = halvesLow(h, v128.load(c, HALF_MASK), v128.load(c, HALF_SCALE)),
      d1 = halvesHigh(h, v128.load(c, HALF_MASK), v128.load(c, HALF_SCALE));
    w += 16;
    for (const last = w + per * (scales + 128); w < last; x += Q8_BYTES) {
      let e0 = d0,
        e1 = d1;
      if (per > 1) {
        const i = v128.load8x8_s(w);
        e0 = f32x4.mul(d0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i)));
        e1 = f32x4.mul(d1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(i)));
        w += scales;
      }
      let l0 = i32x4.splat(0),
        l1 = l0;
      let h0 = v128.load32_splat(x, 4),
        h1 = h0;
      let at = x;
      for (const stop = w + 128; w < stop; w += 32) {
        const p = v128.load(w),
          q = v128.load(w, 16);
        let u = v128.load32_splat(at, 8),
          u1 = ASC_FEATURE_RELAXED_SIMD ? u : v128.load32_splat(at, 12);
        let a = v128.and(p, mask),
          b = v128.and(q, mask);
        l0 = dot(l0, i8x16.swizzle(low, a), u, u1);
        l1 = dot(l1, i8x16.swizzle(low, b), u, u1);
        if (ASC_FEATURE_RELAXED_SIMD) {
          h0 = dot(h0, i8x16.swizzle(high, a), u, u1);
          h1 = dot(h1, i8x16.swizzle(high, b), u, u1);
        }
        u = v128.load32_splat(at + (WORDS << 1), 8);
        u1 = ASC_FEATURE_RELAXED_SIMD ? u : v128.load32_splat(at + (WORDS << 1), 12);
        a = v128.and(i16x8.shr_u(p, 4), mask);
        b = v128.and(i16x8.shr_u(q, 4), mask);
        l0 = dot(l0, i8x16.swizzle(low, a), u, u1);
        l1 = dot(l1, i8x16.swizzle(low, b), u, u1);
        if (ASC_FEATURE_RELAXED_SIMD) {
          h0 = dot(h0, i8x16.swizzle(high, a), u, u1);
          h1 = dot(h1, i8x16.swizzle(high, b), u, u1);
        }
        at += ASC_FEATURE_RELAXED_SIMD ? 4 : 8;
      }
      const d = v128.load32_splat(x);
      f0 = f32x4.add(f0, f32x4.mul(whole(l0, h0, c), f32x4.mul(e0, d)));
      f1 = f32x4.add(f1, f32x4.mul(whole(l1, h1, c), f32x4.mul(e1, d)));
    }
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}

/** Activations: one word, or two of even and odd columns. */
function dot(sum: v128, level: v128, x: v128, odd: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, level));
  sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(level, 8), 8), x));
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_s(level, 8), odd));
}

function whole(low: v128, high: v128, c: usize): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return f32x4.convert_i32x4_s(low);
  return f32x4.convert_i32x4_s(i32x4.add(i32x4.dot_i16x8_s(low, v128.load(c, ONES)), i32x4.dot_i16x8_s(high, v128.load(c, SIXTEENS))));
}
