// One row of activations and 8 outputs of packed blocks (blocks.ts), without a panel: the sums of tileQ and tileQ8. One function for all types.

import * as storage from '../storage.ts';
import * as kinds from './blockKinds.ts';
import { blocksPerSuper } from './blocks.ts';
import {
  BYTES,
  HALF_MASK,
  HALF_SCALE,
  halvesHigh,
  halvesLow,
  LEVEL,
  LEVELS_HIGH,
  LEVELS_LOW,
  NIBBLES,
  ONES,
  PLANE,
  SIXTEENS,
  START,
  TOP,
} from './constants.ts';
import { Q8_BYTES, SUPER_BYTES, SUPER_HALVES, SUPER_STARTS, SUPER_SUMS, SUPER_VALUES, WORDS } from './layouts.ts';
import { lower, upper } from './unpackBlocks.ts';

/** Sums of levels and (blocks of 32) of mins, as tiles compute them. */
export function rowBlock(packed: i32, w: usize, x: usize, blocks: usize, sums: usize, minSums: usize, c: usize): void {
  const n = blocks / blocksPerSuper(packed);
  switch (packed) {
    case storage.PACKED_Q4_1:
      rowBlocks<kinds.Q4_1>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_0:
      rowBlocks<kinds.Q5_0>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_1:
      rowBlocks<kinds.Q5_1>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_IQ4_NL:
      rowBlocks<kinds.IQ4_NL>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q4_K:
      rowBlocks<kinds.Q4_K>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q5_K:
      rowBlocks<kinds.Q5_K>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_IQ4_XS:
      rowBlocks<kinds.IQ4_XS>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q6_K:
      rowBlocks<kinds.Q6_K>(w, x, n, sums, minSums, c);
      break;
    case storage.PACKED_Q3_K:
      rowBlocks<kinds.Q3_K>(w, x, n, sums, minSums, c);
      break;
    default:
      rowBlocks<kinds.Q2_K>(w, x, n, sums, minSums, c);
      break;
  }
}

function rowBlocks<F>(w: usize, x: usize, supers: usize, sums: usize, minSums: usize, c: usize): void {
  const kind = changetype<F>(0).kind();
  const bits = kind & kinds.BITS;
  const wide = (kind & kinds.WIDE) != 0,
    sixteen = (kind & kinds.SIXTEEN) != 0,
    mins = (kind & kinds.MINS) != 0,
    table = (kind & kinds.TABLE) != 0;
  // Two planes of a table: their sums are s and t. Else t are those of words 4..7, where they have a scale of their own or 16 bits would not hold both.
  const planes = ASC_FEATURE_RELAXED_SIMD && table;
  const apart = sixteen || (ASC_FEATURE_RELAXED_SIMD && wide && bits == 5);
  const starts = ASC_FEATURE_RELAXED_SIMD && wide && bits == 6;
  // By how many bits to shift the sums of scales times activations that are too much, in super-blocks whose levels do not begin at 0.
  const zero = planes ? 7 : table || mins || starts ? 0 : bits == 6 ? 5 : 2;
  const per: usize = wide ? 8 : 1;
  const bytes: usize = (<usize>bits) << 5;
  const scaleBytes: usize = wide ? (sixteen ? 128 : 64) : 0;
  const minBytes: usize = wide && mins && !sixteen ? 64 : 0;
  const far: usize = WORDS << 1;
  const nothing = i32x4.splat(0);
  let f0 = f32x4.splat(0),
    f1 = f0,
    g0 = f0,
    g1 = f0;
  for (const end = w + supers * ((mins ? 32 : 16) + scaleBytes + minBytes + per * bytes); w < end; ) {
    const head = w;
    const mask = v128.load(c, LEVEL),
      top = v128.load(c, TOP),
      plane = v128.load(c, PLANE);
    let scales = w + (mins ? 32 : 16);
    let at = x + (wide ? SUPER_VALUES : 8),
      sum = x + SUPER_STARTS;
    let i0 = nothing,
      i1 = nothing;
    let s0 = nothing,
      s1 = nothing,
      t0 = nothing,
      t1 = nothing;
    w = scales + scaleBytes + minBytes;
    for (const last = w + per * bytes; w < last; w += bytes) {
      s0 = starts ? v128.load32_splat(sum) : !wide && bits == 5 ? start(x, c) : nothing;
      s1 = s0;
      t0 = starts ? v128.load32_splat(sum, 4) : planes && !wide ? v128.load32_splat(x, 4) : nothing;
      t1 = t0;
      if (starts) sum += 8;
      // What runs by under a mask: planes of levels' bits, or crumbs.
      let a0 = nothing,
        a1 = nothing,
        b0 = nothing,
        b1 = nothing,
        d0 = nothing,
        d1 = nothing,
        e0 = nothing,
        e1 = nothing;
      if (bits > 4) {
        b0 = v128.load(w, 128);
        b1 = v128.load(w, 144);
      }
      if (bits < 4) {
        a0 = v128.load(w);
        a1 = v128.load(w, 16);
        b0 = v128.load(w, 32);
        b1 = v128.load(w, 48);
      }
      if (bits == 3) {
        e0 = v128.load(w, 64);
        e1 = v128.load(w, 80);
        d0 = i16x8.shl(e0, 2);
        d1 = i16x8.shl(e1, 2);
        e0 = i16x8.shr_u(e0, 2);
        e1 = i16x8.shr_u(e1, 2);
      }
      for (let n = w, stop = w + 128; n < stop; n += 32) {
        // Words p, then words p + 4.
        let p0: v128, p1: v128, q0: v128, q1: v128;
        if (bits < 4) {
          p0 = v128.and(a0, mask);
          p1 = v128.and(a1, mask);
          q0 = v128.and(b0, mask);
          q1 = v128.and(b1, mask);
          a0 = i16x8.shr_u(a0, 2);
          a1 = i16x8.shr_u(a1, 2);
          b0 = i16x8.shr_u(b0, 2);
          b1 = i16x8.shr_u(b1, 2);
          if (bits == 3) {
            p0 = v128.or(p0, v128.and(d0, plane));
            p1 = v128.or(p1, v128.and(d1, plane));
            q0 = v128.or(q0, v128.and(e0, plane));
            q1 = v128.or(q1, v128.and(e1, plane));
            d0 = i16x8.shr_u(d0, 1);
            d1 = i16x8.shr_u(d1, 1);
            e0 = i16x8.shr_u(e0, 1);
            e1 = i16x8.shr_u(e1, 1);
          }
        } else {
          const p = v128.load(n),
            q = v128.load(n, 16);
          p0 = v128.and(p, mask);
          p1 = v128.and(q, mask);
          q0 = v128.and(i16x8.shr_u(p, 8 - bits), top);
          q1 = v128.and(i16x8.shr_u(q, 8 - bits), top);
          if (bits > 4) {
            q0 = v128.or(q0, v128.and(b0, plane));
            q1 = v128.or(q1, v128.and(b1, plane));
            if (bits == 6 && n == w + 32) {
              b0 = v128.load(w, 160);
              b1 = v128.load(w, 176);
            } else {
              b0 = i16x8.shr_u(b0, bits == 5 ? 2 : 4);
              b1 = i16x8.shr_u(b1, bits == 5 ? 2 : 4);
            }
          }
        }
        const u = v128.load32_splat(at),
          u1 = ASC_FEATURE_RELAXED_SIMD ? u : v128.load32_splat(at, 4);
        const z = v128.load32_splat(at + far),
          z1 = ASC_FEATURE_RELAXED_SIMD ? z : v128.load32_splat(at + far, 4);
        if (planes) {
          const low = v128.load(c, LEVELS_LOW),
            high = v128.load(c, LEVELS_HIGH);
          s0 = dot(s0, lookup(low, p0), u, u1, c);
          s1 = dot(s1, lookup(low, p1), u, u1, c);
          t0 = dot(t0, lookup(high, p0), u, u1, c);
          t1 = dot(t1, lookup(high, p1), u, u1, c);
          s0 = dot(s0, lookup(low, q0), z, z1, c);
          s1 = dot(s1, lookup(low, q1), z, z1, c);
          t0 = dot(t0, lookup(high, q0), z, z1, c);
          t1 = dot(t1, lookup(high, q1), z, z1, c);
        } else if (table) {
          const levels = v128.load(c, LEVELS_LOW);
          s0 = signed(s0, i8x16.swizzle(levels, p0), u, u1);
          s1 = signed(s1, i8x16.swizzle(levels, p1), u, u1);
          s0 = signed(s0, i8x16.swizzle(levels, q0), z, z1);
          s1 = signed(s1, i8x16.swizzle(levels, q1), z, z1);
        } else {
          s0 = dot(s0, p0, u, u1, c);
          s1 = dot(s1, p1, u, u1, c);
          if (apart) {
            t0 = dot(t0, q0, z, z1, c);
            t1 = dot(t1, q1, z, z1, c);
          } else {
            s0 = dot(s0, q0, z, z1, c);
            s1 = dot(s1, q1, z, z1, c);
          }
        }
        at += ASC_FEATURE_RELAXED_SIMD ? 4 : 8;
      }
      at += far;
      if (wide) {
        const nibbles = sixteen && mins;
        let i = nibbles ? v128.and(v128.load8x8_u(scales), v128.load(c, NIBBLES)) : v128.load8x8_s(scales);
        i0 = i32x4.add(i0, scaled(s0, i, false));
        i1 = i32x4.add(i1, scaled(s1, i, true));
        if (apart || planes) {
          if (sixteen) i = nibbles ? v128.and(v128.load8x8_u(scales, 8), v128.load(c, NIBBLES)) : v128.load8x8_s(scales, 8);
          if (planes) i = i16x8.shl(i, 4);
          i0 = i32x4.add(i0, scaled(t0, i, false));
          i1 = i32x4.add(i1, scaled(t1, i, true));
        }
        scales += sixteen ? 16 : 8;
      }
    }
    const halfMask = v128.load(c, HALF_MASK),
      halfScale = v128.load(c, HALF_SCALE);
    const h = v128.load(head);
    const d = v128.load32_splat(x);
    const d0 = halvesLow(h, halfMask, halfScale),
      d1 = halvesHigh(h, halfMask, halfScale);
    const m = v128.load(head, 16);
    if (wide) {
      let m0 = nothing,
        m1 = nothing;
      if (mins || zero != 0) {
        let y = x + (sixteen ? SUPER_HALVES : SUPER_SUMS);
        for (let k = minBytes != 0 ? scales : scales - scaleBytes, stop = k + scaleBytes; k < stop; k += 16, y += 4) {
          const p = mins ? i16x8.shr_u(v128.load8x8_u(k), sixteen ? 4 : 0) : v128.load8x8_s(k),
            q = mins ? i16x8.shr_u(v128.load8x8_u(k, 8), sixteen ? 4 : 0) : v128.load8x8_s(k, 8);
          const u = v128.load32_splat(y);
          m0 = i32x4.add(m0, i32x4.dot_i16x8_s(lower(p, q), u));
          m1 = i32x4.add(m1, i32x4.dot_i16x8_s(upper(p, q), u));
        }
      }
      if (zero != 0) {
        i0 = i32x4.sub(i0, i32x4.shl(m0, zero));
        i1 = i32x4.sub(i1, i32x4.shl(m1, zero));
      }
      f0 = f32x4.add(f0, f32x4.mul(f32x4.convert_i32x4_s(i0), f32x4.mul(d0, d)));
      f1 = f32x4.add(f1, f32x4.mul(f32x4.convert_i32x4_s(i1), f32x4.mul(d1, d)));
      if (mins) {
        f0 = f32x4.sub(f0, f32x4.mul(f32x4.convert_i32x4_s(m0), f32x4.mul(halvesLow(m, halfMask, halfScale), d)));
        f1 = f32x4.sub(f1, f32x4.mul(f32x4.convert_i32x4_s(m1), f32x4.mul(halvesHigh(m, halfMask, halfScale), d)));
      }
      x += SUPER_BYTES;
      continue;
    }
    if (ASC_FEATURE_RELAXED_SIMD) {
      s0 = i32x4.dot_i16x8_s(s0, v128.load(c, ONES));
      s1 = i32x4.dot_i16x8_s(s1, v128.load(c, ONES));
      if (planes) {
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(t0, v128.load(c, SIXTEENS)));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(t1, v128.load(c, SIXTEENS)));
      }
    }
    f0 = f32x4.add(f0, f32x4.mul(f32x4.convert_i32x4_s(s0), f32x4.mul(d0, d)));
    f1 = f32x4.add(f1, f32x4.mul(f32x4.convert_i32x4_s(s1), f32x4.mul(d1, d)));
    x += Q8_BYTES;
    if (mins) {
      let n0 = halvesLow(m, halfMask, halfScale),
        n1 = halvesHigh(m, halfMask, halfScale);
      if (bits == 5) {
        const sixteens = f32x4.splat(16);
        n0 = f32x4.add(n0, f32x4.mul(d0, sixteens));
        n1 = f32x4.add(n1, f32x4.mul(d1, sixteens));
      }
      const y = v128.load32_splat(x - 4);
      g0 = f32x4.add(g0, f32x4.mul(y, n0));
      g1 = f32x4.add(g1, f32x4.mul(y, n1));
    }
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
  if (wide || !mins) return;
  v128.store(minSums, g0);
  v128.store(minSums, g1, 16);
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

/** The same for signed levels, plain build. */
function signed(sum: v128, q: v128, x: v128, odd: v128): v128 {
  sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_s(i16x8.shl(q, 8), 8), x));
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.shr_s(q, 8), odd));
}

function lookup(levels: v128, n: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(levels, n) : i8x16.swizzle(levels, n);
}

/** Sums of rows 0..3 or (high) 4..7 times the scales of 8. */
function scaled(dots: v128, scales: v128, high: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.dot_i16x8_s(dots, high ? upper(scales, scales) : lower(scales, scales));
  return i32x4.mul(dots, high ? i32x4.extend_high_i16x8_s(scales) : i32x4.extend_low_i16x8_s(scales));
}
