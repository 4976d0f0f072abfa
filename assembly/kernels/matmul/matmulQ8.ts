// matmulQ8: out[r][o] = sum_k x[r][k] w[o][k] (+ bias[o]) (+ residual[r][o]), w = d (byte - 128)
//
//   in0       q8 [rows, cols]          rows: cell; see quantizeRows
//   in1       packed-q8 [P0, cols]     groups of 8 rows: per 32 columns 8 half-float scales (order 0 4 1 5 2 6 3 7), then 8 x 2 vectors:
//                                      vector (p, half), lane r: row 4 half + r, byte j: column 4p + j
//   out       f32 [rows, P0]           may be the residual
//   P0, P2, P3                         outputs, address of bias f32 [P0] or 0, address of residual f32 [rows, P0] or 0
//
// Relaxed: a byte is two nibbles, 16 hi + lo - 128 = 16 (hi - 8) + lo: the dot is exact only for operands below 128.
// Per block of 32: sum += float(integer dot) * (d_w * d_x), blocks in order: every tile shape and build gives the same bits.
// Groups of 8 outputs are split over threads.

import {
  BYTES,
  CONSTANTS,
  constants,
  finish,
  halvesHigh,
  halvesLow,
  NIBBLES,
  ONES,
  Q8_BYTES,
  Q8_GROUP,
  rowsAtOnce,
  SIXTEENS,
} from '../../families/matmul.ts';
import { COLS, IN0, IN1, P0, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function matmulQ8(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const blocks = <usize>load<i32>(op, COLS) >> 5;
  const groups = (load<i32>(op, P0) + 7) >> 3;
  const stride = blocks * Q8_BYTES;
  const c = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const sums = c + CONSTANTS;
  constants(c);

  const end = firstRow(groups, thread + 1, threads);
  const step = rowsAtOnce(stride);
  for (let first = 0; first < rows; first += step) {
    const count = min(step, rows - first);
    for (let g = firstRow(groups, thread, threads); g < end; g++) {
      const w = load<usize>(op, IN1) + <usize>g * blocks * Q8_GROUP;
      let x = load<usize>(op, IN0) + <usize>first * stride;
      for (let r = 0; r < count; r++, x += stride) tile1(w, x, blocks, sums + ((<usize>r) << 5), c);
      finish(op, g, first, count, sums);
    }
  }
}

function tile1(w: usize, x: usize, blocks: usize, sums: usize, c: usize): void {
  let f0 = f32x4.splat(0),
    f1 = f0;
  const mask = v128.load(c, ASC_FEATURE_RELAXED_SIMD ? NIBBLES : BYTES);
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
    f0 = f32x4.add(f0, f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(halvesLow(h, c), d)));
    f1 = f32x4.add(f1, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(halvesHigh(h, c), d)));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}
