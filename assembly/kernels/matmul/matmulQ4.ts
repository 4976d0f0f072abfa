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
import { PANEL_BLOCK, Q4_GROUP, Q8_BYTES, WORDS } from '../../families/layouts.ts';
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

// How many groups a row is multiplied with at once, as classes without fields: constants wherever rowQ4 is compiled for one of them.

export class One {
  two(): bool {
    return false;
  }
}
export class Two {
  two(): bool {
    return true;
  }
}

/** 8 outputs x 1 row, or 2 groups of 8: then a word of activations serves 4 vectors. */
export function rowQ4<F>(w: usize, w1: usize, x: usize, blocks: usize, sums: usize, sums1: usize, c: usize): void {
  let f0 = f32x4.splat(0),
    f1 = f0,
    f2 = f0,
    f3 = f0;
  const two = changetype<F>(0).two();
  const mask = v128.load(c, NIBBLES);
  for (const end = w + blocks * Q4_GROUP; w < end; x += Q8_BYTES) {
    let s0 = v128.load32_splat(x, 4),
      s1 = s0,
      s2 = s0,
      s3 = s0;
    const scales = w,
      scales1 = w1,
      d = v128.load32_splat(x);
    for (let at = x + 8, last = w + 128; w < last; w += 32, w1 += 32) {
      const u = v128.load32_splat(at),
        u1 = ASC_FEATURE_RELAXED_SIMD ? u : v128.load32_splat(at, 4);
      const z = v128.load32_splat(at + (WORDS << 1)),
        z1 = ASC_FEATURE_RELAXED_SIMD ? z : v128.load32_splat(at + (WORDS << 1), 4);
      let n = v128.load(w, 16);
      s0 = high(low(s0, n, u, u1, mask), n, z, z1, mask);
      n = v128.load(w, 32);
      s1 = high(low(s1, n, u, u1, mask), n, z, z1, mask);
      if (two) {
        n = v128.load(w1, 16);
        s2 = high(low(s2, n, u, u1, mask), n, z, z1, mask);
        n = v128.load(w1, 32);
        s3 = high(low(s3, n, u, u1, mask), n, z, z1, mask);
      }
      at += ASC_FEATURE_RELAXED_SIMD ? 4 : 8;
    }
    w += 16;
    w1 += 16;
    const halfMask = v128.load(c, HALF_MASK),
      halfScale = v128.load(c, HALF_SCALE);
    let h = v128.load(scales);
    f0 = f32x4.add(f0, f32x4.mul(whole(s0, c), f32x4.mul(halvesLow(h, halfMask, halfScale), d)));
    f1 = f32x4.add(f1, f32x4.mul(whole(s1, c), f32x4.mul(halvesHigh(h, halfMask, halfScale), d)));
    if (!two) continue;
    h = v128.load(scales1);
    f2 = f32x4.add(f2, f32x4.mul(whole(s2, c), f32x4.mul(halvesLow(h, halfMask, halfScale), d)));
    f3 = f32x4.add(f3, f32x4.mul(whole(s3, c), f32x4.mul(halvesHigh(h, halfMask, halfScale), d)));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
  if (!two) return;
  v128.store(sums1, f2);
  v128.store(sums1, f3, 16);
}

/** Low nibbles times columns of the first half of a block: one word of activations, or two of even and odd columns. */
function low(sum: v128, n: v128, x: v128, odd: v128, mask: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, v128.and(n, mask)));
  sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.and(n, mask), x));
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(n, 8), mask), odd));
}

/** High nibbles, of the second half. */
function high(sum: v128, n: v128, x: v128, odd: v128, mask: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, v128.and(i16x8.shr_u(n, 4), mask)));
  sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(n, 4), mask), x));
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_u(n, 12), odd));
}

function whole(dots: v128, c: usize): v128 {
  return f32x4.convert_i32x4_s(ASC_FEATURE_RELAXED_SIMD ? i32x4.dot_i16x8_s(dots, v128.load(c, ONES)) : dots);
}
