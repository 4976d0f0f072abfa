// matmulQ8: out = x W^T (+ bias) (+ residual), w = d (byte - 128)
//
//   in0       q8 [rows, cols]          rows: cell; see quantizeRows
//   in1       packed-q8 [P0, cols]     groups of 8 rows: per 32 columns 8 half-float scales (order 0 4 1 5 2 6 3 7), then 8 x 2 vectors:
//                                      vector (p, half), lane r: row 4 half + r, byte j: column 4p + j
//   out       f32 [rows, P0]
//   P0..P3                             see families/matmul.ts, which walks over rows and groups
//
// Relaxed: the dot is exact only for weights below 128, so a byte is two nibbles: byte - 128 = 16 (high - 8) + low. 16-bit lanes as in tileQ.
// Per block of 32: sum += float(integer dot) * (d_w * d_x), blocks in order: every tile shape and build gives the same bits.

import { BYTES, HALF_MASK, HALF_SCALE, halvesHigh, halvesLow, NIBBLES, ONES, SIXTEENS } from '../../families/constants.ts';
import { Q8_BYTES, Q8_GROUP } from '../../families/layouts.ts';
import { matmul } from '../../families/matmul.ts';
import { PACKED_Q8 } from '../../storage.ts';

export function matmulQ8(op: usize, thread: i32, threads: i32): void {
  matmul(op, thread, threads, PACKED_Q8);
}

/** Unpacks blocks of a group into a panel: signed values for tileQ, or low and high nibbles for tileQ8. */
export function unpackQ8(w: usize, blocks: usize, panel: usize, c: usize): void {
  const mask = v128.load(c, ASC_FEATURE_RELAXED_SIMD ? NIBBLES : BYTES);
  const middle = i16x8.shr_u(v128.add<i16>(v128.load(c, BYTES), v128.load(c, ONES)), 1);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + blocks * Q8_GROUP; w < end; w += 16, panel += 32) {
    const h = v128.load(w);
    v128.store(panel, halvesLow(h, halfMask, halfScale));
    v128.store(panel, halvesHigh(h, halfMask, halfScale), 16);
    for (const last = w + 256; w < last; w += 32, panel += 64) {
      const a = v128.load(w, 16),
        b = v128.load(w, 32);
      if (ASC_FEATURE_RELAXED_SIMD) {
        v128.store(panel, v128.and(a, mask), 32);
        v128.store(panel, v128.and(b, mask), 48);
        v128.store(panel, v128.and(i16x8.shr_u(a, 4), mask), 64);
        v128.store(panel, v128.and(i16x8.shr_u(b, 4), mask), 80);
      } else {
        v128.store(panel, i16x8.sub(v128.and(a, mask), middle), 32);
        v128.store(panel, i16x8.sub(v128.and(b, mask), middle), 48);
        v128.store(panel, i16x8.sub(i16x8.shr_u(a, 8), middle), 64);
        v128.store(panel, i16x8.sub(i16x8.shr_u(b, 8), middle), 80);
      }
    }
  }
}

/** 8 outputs x 4 rows, two rows at a time: the nibbles need two integer sums each. */
export function tileQ8(w: usize, x: usize, stride: usize, blocks: usize, sums: usize, c: usize): void {
  tilePair(w, x, x + stride, blocks, sums, c);
  tilePair(w, x + (stride << 1), x + stride * 3, blocks, sums + 64, c);
}

/** 8 outputs x 2 rows. */
export function tilePair(w: usize, x0: usize, x1: usize, blocks: usize, sums: usize, c: usize): void {
  for (const end = w + blocks * 544; w < end; w += 32) {
    let l0 = i16x8.splat(0),
      l1 = l0,
      m0 = l0,
      m1 = l0;
    let h0 = v128.load32_splat(x0, 4),
      h1 = h0,
      k0 = v128.load32_splat(x1, 4),
      k1 = k0;
    const scales = w,
      d0 = x0,
      d1 = x1;
    for (const last = w + 512; w < last; w += 128, x0 += 8, x1 += 8) {
      let v = v128.load32_splat(x0, 8),
        u = v128.load32_splat(x1, 8),
        a = v128.load(w, 32),
        b = v128.load(w, 48);
      l0 = dot(l0, v, a);
      m0 = dot(m0, u, a);
      l1 = dot(l1, v, b);
      m1 = dot(m1, u, b);
      a = v128.load(w, 64);
      b = v128.load(w, 80);
      h0 = dot(h0, v, a);
      k0 = dot(k0, u, a);
      h1 = dot(h1, v, b);
      k1 = dot(k1, u, b);
      v = v128.load32_splat(x0, 12);
      u = v128.load32_splat(x1, 12);
      a = v128.load(w, 96);
      b = v128.load(w, 112);
      l0 = dot(l0, v, a);
      m0 = dot(m0, u, a);
      l1 = dot(l1, v, b);
      m1 = dot(m1, u, b);
      a = v128.load(w, 128);
      b = v128.load(w, 144);
      h0 = dot(h0, v, a);
      k0 = dot(k0, u, a);
      h1 = dot(h1, v, b);
      k1 = dot(k1, u, b);
    }
    const lo = v128.load(scales),
      hi = v128.load(scales, 16);
    let d = v128.load32_splat(d0);
    add(sums, l0, h0, f32x4.mul(lo, d), c);
    add(sums + 16, l1, h1, f32x4.mul(hi, d), c);
    d = v128.load32_splat(d1);
    add(sums + 32, m0, k0, f32x4.mul(lo, d), c);
    add(sums + 48, m1, k1, f32x4.mul(hi, d), c);
    x0 += 12;
    x1 += 12;
  }
}

function dot(sum: v128, x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
  return sum;
}

function add(sum: usize, low: v128, high: v128, scale: v128, c: usize): void {
  const whole = i32x4.add(i32x4.dot_i16x8_s(low, v128.load(c, ONES)), i32x4.dot_i16x8_s(high, v128.load(c, SIXTEENS)));
  v128.store(sum, f32x4.add(v128.load(sum), f32x4.mul(f32x4.convert_i32x4_s(whole), scale)));
}

/** 8 outputs x 1 row. */
export function rowQ8(w: usize, x: usize, blocks: usize, sums: usize, c: usize): void {
  let f0 = f32x4.splat(0),
    f1 = f0;
  const mask = v128.load(c, ASC_FEATURE_RELAXED_SIMD ? NIBBLES : BYTES);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + blocks * Q8_GROUP; w < end; w += Q8_GROUP, x += Q8_BYTES) {
    let s0: v128, s1: v128;
    if (ASC_FEATURE_RELAXED_SIMD) {
      let l0 = i16x8.splat(0),
        l1 = l0,
        h0 = v128.load32_splat(x, 4),
        h1 = h0;
      for (let p: usize = 0; p < 8; p++) {
        const a = v128.load(w + (p << 5), 16),
          b = v128.load(w + (p << 5), 32),
          v = v128.load32_splat(x + (p << 2), 8);
        l0 = i16x8.add(l0, i16x8.relaxed_dot_i8x16_i7x16_s(v, v128.and(a, mask)));
        l1 = i16x8.add(l1, i16x8.relaxed_dot_i8x16_i7x16_s(v, v128.and(b, mask)));
        h0 = i16x8.add(h0, i16x8.relaxed_dot_i8x16_i7x16_s(v, v128.and(i16x8.shr_u(a, 4), mask)));
        h1 = i16x8.add(h1, i16x8.relaxed_dot_i8x16_i7x16_s(v, v128.and(i16x8.shr_u(b, 4), mask)));
      }
      s0 = i32x4.add(i32x4.dot_i16x8_s(l0, v128.load(c, ONES)), i32x4.dot_i16x8_s(h0, v128.load(c, SIXTEENS)));
      s1 = i32x4.add(i32x4.dot_i16x8_s(l1, v128.load(c, ONES)), i32x4.dot_i16x8_s(h1, v128.load(c, SIXTEENS)));
    } else {
      s0 = i32x4.shl(v128.load32_splat(x, 4), 4);
      s1 = s0;
      for (let p: usize = 0; p < 8; p++) {
        const a = v128.load(w + (p << 5), 16),
          b = v128.load(w + (p << 5), 32);
        const k02 = v128.load32_splat(x + (p << 3), 8),
          k13 = v128.load32_splat(x + (p << 3), 12);
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.and(a, mask), k02));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.and(b, mask), k02));
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.shr_u(a, 8), k13));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.shr_u(b, 8), k13));
      }
    }
    const h = v128.load(w),
      d = v128.load32_splat(x);
    f0 = f32x4.add(f0, f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(halvesLow(h, halfMask, halfScale), d)));
    f1 = f32x4.add(f1, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(halvesHigh(h, halfMask, halfScale), d)));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}
