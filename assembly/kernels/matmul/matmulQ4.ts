// matmulQ4: out = x W^T (+ bias) (+ residual), w = d (nibble - 8)
//
//   in0       q8 [rows, cols]          rows: cell; see quantizeRows
//   in1       packed-q4 [P0, cols]     groups of 8 rows: per 32 columns 8 half-float scales (order 0 4 1 5 2 6 3 7), then 4 x 2 vectors:
//                                      vector (p, half), lane r: row 4 half + r, byte j: column 4p + j low nibble, 16 + 4p + j high nibble
//   out       f32 [rows, P0]
//   P0..P3                             see families/matmul.ts, which walks over rows and groups
//
// Per block of 32: sum += float(integer dot) * (d_w * d_x), blocks in order: every tile shape and build gives the same bits.

import { HALF_MASK, HALF_SCALE, halvesHigh, halvesLow, NIBBLES, ONES } from '../../families/constants.ts';
import { PANEL_BLOCK, Q4_GROUP, Q8_BYTES } from '../../families/layouts.ts';
import { matmul } from '../../families/matmul.ts';
import { PACKED_Q4 } from '../../storage.ts';

export function matmulQ4(op: usize, thread: i32, threads: i32): void {
  matmul(op, thread, threads, PACKED_Q4);
}

/** Unpacks blocks of a group into a panel for tileQ. */
export function unpackQ4(w: usize, blocks: usize, panel: usize, c: usize): void {
  const mask = v128.load(c, NIBBLES);
  const eight = i16x8.shr_u(v128.add<i16>(mask, v128.load(c, ONES)), 1);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + blocks * Q4_GROUP; w < end; w += 16, panel += PANEL_BLOCK) {
    const h = v128.load(w);
    v128.store(panel, halvesLow(h, halfMask, halfScale));
    v128.store(panel, halvesHigh(h, halfMask, halfScale), 16);
    let to = panel;
    for (const last = w + 128; w < last; w += 32) {
      const a = v128.load(w, 16),
        b = v128.load(w, 32);
      if (ASC_FEATURE_RELAXED_SIMD) {
        v128.store(to, v128.and(a, mask), 32);
        v128.store(to, v128.and(b, mask), 48);
        v128.store(to, v128.and(i16x8.shr_u(a, 4), mask), 160);
        v128.store(to, v128.and(i16x8.shr_u(b, 4), mask), 176);
        to += 32;
      } else {
        v128.store(to, i16x8.sub(v128.and(a, mask), eight), 32);
        v128.store(to, i16x8.sub(v128.and(b, mask), eight), 48);
        v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(a, 8), mask), eight), 64);
        v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(b, 8), mask), eight), 80);
        v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(a, 4), mask), eight), 288);
        v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(b, 4), mask), eight), 304);
        v128.store(to, i16x8.sub(i16x8.shr_u(a, 12), eight), 320);
        v128.store(to, i16x8.sub(i16x8.shr_u(b, 12), eight), 336);
        to += 64;
      }
    }
  }
}

/** 8 outputs x 1 row. */
export function rowQ4(w: usize, x: usize, blocks: usize, sums: usize, c: usize): void {
  let f0 = f32x4.splat(0),
    f1 = f0;
  const mask = v128.load(c, NIBBLES);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + blocks * Q4_GROUP; w < end; w += Q4_GROUP, x += Q8_BYTES) {
    let s0 = v128.load32_splat(x, 4),
      s1 = s0;
    for (let p: usize = 0; p < 4; p++) {
      const a = v128.load(w + (p << 5), 16),
        b = v128.load(w + (p << 5), 32);
      if (ASC_FEATURE_RELAXED_SIMD) {
        const lo = v128.load32_splat(x + (p << 2), 8),
          hi = v128.load32_splat(x + (p << 2), 24);
        s0 = i16x8.add(s0, i16x8.relaxed_dot_i8x16_i7x16_s(lo, v128.and(a, mask)));
        s1 = i16x8.add(s1, i16x8.relaxed_dot_i8x16_i7x16_s(lo, v128.and(b, mask)));
        s0 = i16x8.add(s0, i16x8.relaxed_dot_i8x16_i7x16_s(hi, v128.and(i16x8.shr_u(a, 4), mask)));
        s1 = i16x8.add(s1, i16x8.relaxed_dot_i8x16_i7x16_s(hi, v128.and(i16x8.shr_u(b, 4), mask)));
      } else {
        const k02 = v128.load32_splat(x + (p << 3), 8),
          k13 = v128.load32_splat(x + (p << 3), 12);
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.and(a, mask), k02));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.and(b, mask), k02));
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(a, 8), mask), k13));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(b, 8), mask), k13));
        const h02 = v128.load32_splat(x + (p << 3), 40),
          h13 = v128.load32_splat(x + (p << 3), 44);
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(a, 4), mask), h02));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(b, 4), mask), h02));
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.shr_u(a, 12), h13));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.shr_u(b, 12), h13));
      }
    }
    if (ASC_FEATURE_RELAXED_SIMD) {
      s0 = i32x4.dot_i16x8_s(s0, v128.load(c, ONES));
      s1 = i32x4.dot_i16x8_s(s1, v128.load(c, ONES));
    }
    const h = v128.load(w),
      d = v128.load32_splat(x);
    f0 = f32x4.add(f0, f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(halvesLow(h, halfMask, halfScale), d)));
    f1 = f32x4.add(f1, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(halvesHigh(h, halfMask, halfScale), d)));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}
