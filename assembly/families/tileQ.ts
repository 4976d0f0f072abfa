// 8 outputs x 4 rows of quantized weights and activations, over a panel of unpacked weights (layouts.ts).
//
// Per block of 32 columns (`words` words of activations), or of 16: sum += float(integer dot) * (d_w * d_x). The float sums live in memory: registers hold the 8 integer sums.
//
//   relaxed: weights 0..15 (or 0..63, see START). 16-bit lanes, two per output: i16x8.relaxed_dot is one instruction where the CPU lacks VNNI, and the one with
//            32-bit sums five. They start at -8 * (sum of the lane's activations), so that each ends as the sum of x (w - 8) over
//            half a block: at most 16 * 8 * 127, so wrapping on the way does no harm. Levels that reach
//            farther start at -8 START times the sum: what stands in the panel is w + 8 START.
//   plain:   signed weights as i16, 32-bit lanes.

import { ONES, START } from './constants.ts';

export function tileQ(w: usize, x: usize, stride: usize, blocks: usize, words: usize, sums: usize, c: usize): void {
  let x0 = x,
    x1 = x + stride,
    x2 = x1 + stride,
    x3 = x2 + stride;
  for (const bytes = words << 5, end = w + blocks * (bytes + 32); w < end; ) {
    let a0 = start(x0, c),
      a1 = start(x1, c),
      a2 = start(x2, c),
      a3 = start(x3, c);
    let b0 = a0,
      b1 = a1,
      b2 = a2,
      b3 = a3;
    const scales = w;
    const d0 = x0,
      d1 = x1,
      d2 = x2,
      d3 = x3;
    x0 += 8;
    x1 += 8;
    x2 += 8;
    x3 += 8;
    for (const last = w + bytes; w < last; w += 64) {
      let p = v128.load(w, 32);
      let q = v128.load(w, 48);
      let v = v128.load32_splat(x0);
      a0 = dot(a0, v, p);
      b0 = dot(b0, v, q);
      v = v128.load32_splat(x1);
      a1 = dot(a1, v, p);
      b1 = dot(b1, v, q);
      v = v128.load32_splat(x2);
      a2 = dot(a2, v, p);
      b2 = dot(b2, v, q);
      v = v128.load32_splat(x3);
      a3 = dot(a3, v, p);
      b3 = dot(b3, v, q);
      p = v128.load(w, 64);
      q = v128.load(w, 80);
      v = v128.load32_splat(x0, 4);
      a0 = dot(a0, v, p);
      b0 = dot(b0, v, q);
      v = v128.load32_splat(x1, 4);
      a1 = dot(a1, v, p);
      b1 = dot(b1, v, q);
      v = v128.load32_splat(x2, 4);
      a2 = dot(a2, v, p);
      b2 = dot(b2, v, q);
      v = v128.load32_splat(x3, 4);
      a3 = dot(a3, v, p);
      b3 = dot(b3, v, q);
      x0 += 8;
      x1 += 8;
      x2 += 8;
      x3 += 8;
    }
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    const lo = v128.load(scales),
      hi = v128.load(scales, 16);
    let d = v128.load32_splat(d0);
    v128.store(sums, f32x4.add(v128.load(sums), scaled(a0, f32x4.mul(lo, d), c)));
    v128.store(sums, f32x4.add(v128.load(sums, 16), scaled(b0, f32x4.mul(hi, d), c)), 16);
    d = v128.load32_splat(d1);
    v128.store(sums, f32x4.add(v128.load(sums, 32), scaled(a1, f32x4.mul(lo, d), c)), 32);
    v128.store(sums, f32x4.add(v128.load(sums, 48), scaled(b1, f32x4.mul(hi, d), c)), 48);
    d = v128.load32_splat(d2);
    v128.store(sums, f32x4.add(v128.load(sums, 64), scaled(a2, f32x4.mul(lo, d), c)), 64);
    v128.store(sums, f32x4.add(v128.load(sums, 80), scaled(b2, f32x4.mul(hi, d), c)), 80);
    d = v128.load32_splat(d3);
    v128.store(sums, f32x4.add(v128.load(sums, 96), scaled(a3, f32x4.mul(lo, d), c)), 96);
    v128.store(sums, f32x4.add(v128.load(sums, 112), scaled(b3, f32x4.mul(hi, d), c)), 112);
    w += 32;
  }
}

/** 8 outputs x 1 row. */
export function panelRow(w: usize, x: usize, blocks: usize, words: usize, sums: usize, c: usize): void {
  let f0 = v128.load(sums),
    f1 = v128.load(sums, 16);
  for (const bytes = words << 5, end = w + blocks * (bytes + 32); w < end; w += 32, x += 4) {
    let a = start(x, c),
      b = a;
    const scales = w,
      d = v128.load32_splat(x);
    x += 8;
    for (const last = w + bytes; w < last; w += 64, x += 8) {
      let v = v128.load32_splat(x);
      a = dot(a, v, v128.load(w, 32));
      b = dot(b, v, v128.load(w, 48));
      v = v128.load32_splat(x, 4);
      a = dot(a, v, v128.load(w, 64));
      b = dot(b, v, v128.load(w, 80));
    }
    f0 = f32x4.add(f0, scaled(a, f32x4.mul(v128.load(scales), d), c));
    f1 = f32x4.add(f1, scaled(b, f32x4.mul(v128.load(scales, 16), d), c));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}

function start(x: usize, c: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.mul(v128.load32_splat(x, 4), v128.load(c, START)) : i32x4.splat(0);
}

function dot(sum: v128, x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

function scaled(dots: v128, scale: v128, c: usize): v128 {
  const whole = ASC_FEATURE_RELAXED_SIMD ? i32x4.dot_i16x8_s(dots, v128.load(c, ONES)) : dots;
  return f32x4.mul(f32x4.convert_i32x4_s(whole), scale);
}
