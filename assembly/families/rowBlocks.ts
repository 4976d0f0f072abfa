// One row of activations and 8 outputs of packed blocks (blocks.ts), without a panel. One function for all types of 4 bits and more; rowLevels.ts has those with tables.

import * as storage from '../storage.ts';
import { blocksPerSuper } from './blocks.ts';
import { BYTES, EXTRA, HALF_MASK, HALF_SCALE, halvesHigh, halvesLow, NIBBLE_BYTES, ONES, START } from './constants.ts';
import { Q8_BYTES, Q8_HALF, WORDS } from './layouts.ts';
import { rowLevels } from './rowLevels.ts';

// Layouts as classes without fields: their answers are constants wherever rowBlocks is compiled for one of them (one that
// inherits would ask for an object).

class Q4_1 {
  bits(): i32 {
    return 4;
  }
  per(): usize {
    return 1;
  }
  mins(): bool {
    return true;
  }
}
class Q4_K {
  bits(): i32 {
    return 4;
  }
  per(): usize {
    return 8;
  }
  mins(): bool {
    return true;
  }
}
class Q5_0 {
  bits(): i32 {
    return 5;
  }
  per(): usize {
    return 1;
  }
  mins(): bool {
    return false;
  }
}
class Q5_1 {
  bits(): i32 {
    return 5;
  }
  per(): usize {
    return 1;
  }
  mins(): bool {
    return true;
  }
}
class Q5_K {
  bits(): i32 {
    return 5;
  }
  per(): usize {
    return 8;
  }
  mins(): bool {
    return true;
  }
}
class Q6_K {
  bits(): i32 {
    return 6;
  }
  per(): usize {
    return 8;
  }
  mins(): bool {
    return false;
  }
}

/** Whether rowBlock reads a layout. */
export function readsRows(packed: i32): bool {
  return packed != storage.PACKED_Q2_K && packed != storage.PACKED_Q3_K;
}

/** Sums of levels and of mins, as tiles compute them. */
export function rowBlock(packed: i32, w: usize, x: usize, blocks: usize, sums: usize, minSums: usize, c: usize): void {
  const n = blocks / blocksPerSuper(packed);
  switch (packed) {
    case storage.PACKED_Q4_1:
      rowBlocks<Q4_1>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q4_K:
      rowBlocks<Q4_K>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_0:
      rowBlocks<Q5_0>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_1:
      rowBlocks<Q5_1>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_K:
      rowBlocks<Q5_K>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_IQ4_NL:
    case storage.PACKED_IQ4_XS:
      rowLevels(w, x, n, blocksPerSuper(packed), sums, c);
      break;
    default:
      rowBlocks<Q6_K>(w, x, n, sums, minSums, c);
      break;
  }
}

function rowBlocks<F>(w: usize, x: usize, supers: usize, sums: usize, minSums: usize, c: usize): void {
  const f = changetype<F>(0);
  const bits = f.bits(),
    per = f.per(),
    mins = f.mins();
  const head: usize = mins ? 32 : 16;
  const scales: usize = per == 8 ? 16 : 0;
  const bytes: usize = scales + ((<usize>bits) << 5);
  const far: usize = bits == 6 ? Q8_HALF : WORDS << 1;
  const mask = v128.load(c, NIBBLE_BYTES),
    extra = v128.load(c, EXTRA);
  const zero = i32x4.splat(0);
  let f0 = f32x4.splat(0),
    f1 = f0,
    g0 = f0,
    g1 = f0;
  for (const end = w + supers * (head + per * bytes); w < end; ) {
    const halfMask = v128.load(c, HALF_MASK),
      halfScale = v128.load(c, HALF_SCALE);
    const h = v128.load(w),
      m = v128.load(w, 16);
    const d0 = halvesLow(h, halfMask, halfScale),
      d1 = halvesHigh(h, halfMask, halfScale);
    let m0 = halvesLow(m, halfMask, halfScale),
      m1 = halvesHigh(m, halfMask, halfScale);
    if (per == 8) {
      m0 = f32x4.neg(m0);
      m1 = f32x4.neg(m1);
    }
    w += head;
    for (const last = w + per * bytes; w < last; w += bytes) {
      const v = w + scales;
      let s0 = bits == 4 ? zero : start(x, c),
        s1 = s0;
      let t0 = bits == 6 ? start(x + Q8_HALF, c) : zero,
        t1 = t0;
      // Planes run by under the mask: bits of words p in a, of words p + 4 in b.
      let a0 = zero,
        a1 = zero,
        b0 = zero,
        b1 = zero;
      if (bits == 5) {
        b0 = v128.load(v, 128);
        b1 = v128.load(v, 144);
        a0 = i16x8.shl(b0, 4);
        a1 = i16x8.shl(b1, 4);
      }
      if (bits == 6) {
        a0 = i16x8.shl(v128.load(v, 128), 4);
        a1 = i16x8.shl(v128.load(v, 144), 4);
        b0 = i16x8.shl(v128.load(v, 160), 4);
        b1 = i16x8.shl(v128.load(v, 176), 4);
      }
      let at = x;
      for (let n = v, stop = v + 128; n < stop; n += 32) {
        const p = v128.load(n),
          q = v128.load(n, 16);
        let p0 = v128.and(p, mask),
          p1 = v128.and(q, mask),
          q0 = v128.and(i16x8.shr_u(p, 4), mask),
          q1 = v128.and(i16x8.shr_u(q, 4), mask);
        if (bits != 4) {
          p0 = v128.or(p0, v128.and(a0, extra));
          p1 = v128.or(p1, v128.and(a1, extra));
          q0 = v128.or(q0, v128.and(b0, extra));
          q1 = v128.or(q1, v128.and(b1, extra));
        }
        if (bits == 5) {
          a0 = i16x8.shr_u(a0, 1);
          a1 = i16x8.shr_u(a1, 1);
          b0 = i16x8.shr_u(b0, 1);
          b1 = i16x8.shr_u(b1, 1);
        }
        if (bits == 6) {
          if (n == v + 32) {
            a0 = v128.load(v, 128);
            a1 = v128.load(v, 144);
            b0 = v128.load(v, 160);
            b1 = v128.load(v, 176);
          } else {
            a0 = i16x8.shr_u(a0, 2);
            a1 = i16x8.shr_u(a1, 2);
            b0 = i16x8.shr_u(b0, 2);
            b1 = i16x8.shr_u(b1, 2);
          }
        }
        const u = v128.load32_splat(at, 8),
          u1 = ASC_FEATURE_RELAXED_SIMD ? u : v128.load32_splat(at, 12);
        s0 = dot(s0, p0, u, u1, c);
        s1 = dot(s1, p1, u, u1, c);
        const z = v128.load32_splat(at + far, 8),
          z1 = ASC_FEATURE_RELAXED_SIMD ? z : v128.load32_splat(at + far, 12);
        if (bits == 6) {
          t0 = dot(t0, q0, z, z1, c);
          t1 = dot(t1, q1, z, z1, c);
        } else {
          s0 = dot(s0, q0, z, z1, c);
          s1 = dot(s1, q1, z, z1, c);
        }
        at += ASC_FEATURE_RELAXED_SIMD ? 4 : 8;
      }
      let e0 = d0,
        e1 = d1;
      if (per == 8) {
        const i = v128.load8x8_s(w);
        e0 = f32x4.mul(d0, low(i));
        e1 = f32x4.mul(d1, high(i));
      }
      let d = v128.load32_splat(x);
      f0 = f32x4.add(f0, f32x4.mul(whole(s0, c), f32x4.mul(e0, d)));
      f1 = f32x4.add(f1, f32x4.mul(whole(s1, c), f32x4.mul(e1, d)));
      if (bits == 6) {
        const i = v128.load8x8_s(w, 8);
        e0 = f32x4.mul(d0, low(i));
        e1 = f32x4.mul(d1, high(i));
        f0 = f32x4.add(f0, f32x4.mul(whole(t0, c), f32x4.mul(e0, d)));
        f1 = f32x4.add(f1, f32x4.mul(whole(t1, c), f32x4.mul(e1, d)));
        x += 2 * Q8_HALF;
      } else x += Q8_BYTES;
      if (mins) {
        let n0 = m0,
          n1 = m1;
        if (per == 8) {
          const i = v128.load8x8_s(w, 8);
          n0 = f32x4.mul(m0, low(i));
          n1 = f32x4.mul(m1, high(i));
        }
        if (bits == 5) {
          const sixteen = f32x4.splat(16);
          n0 = f32x4.add(n0, f32x4.mul(e0, sixteen));
          n1 = f32x4.add(n1, f32x4.mul(e1, sixteen));
        }
        d = v128.load32_splat(x - 4);
        g0 = f32x4.add(g0, f32x4.mul(d, n0));
        g1 = f32x4.add(g1, f32x4.mul(d, n1));
      }
    }
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
  v128.store(minSums, g0);
  v128.store(minSums, g1, 16);
}

function low(i: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i));
}

function high(i: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(i));
}

function start(x: usize, c: usize): v128 {
  const sums = v128.load32_splat(x, 4);
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.mul(sums, v128.load(c, START)) : i32x4.mul(sums, i32x4.extend_low_i16x8_s(v128.load(c, START)));
}

/** Activations: one word, or two of even and odd columns. */
function dot(sum: v128, q: v128, x: v128, odd: v128, c: usize): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, q));
  sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.and(q, v128.load(c, BYTES)), x));
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_u(q, 8), odd));
}

function whole(dots: v128, c: usize): v128 {
  return f32x4.convert_i32x4_s(ASC_FEATURE_RELAXED_SIMD ? i32x4.dot_i16x8_s(dots, v128.load(c, ONES)) : dots);
}
