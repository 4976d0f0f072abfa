// 8 outputs x 4 rows of quantized weights and activations, over a panel of unpacked weights (layouts.ts).
//
// Narrow: per block of 32 columns, sum += float(integer dot) * (d_w * d_x). Wide: per super-block of 256 columns, integers until its end,
// isum += integer dot * scale for each unit (layouts.ts), then sum += float(isum) * (d_w * d_x), and mins the same way.
// The sums live in memory: registers hold the 8 integer sums of a block or unit.
//
//   relaxed: weights 0..15 (or 0..63, see START). 16-bit lanes, two per output: i16x8.relaxed_dot is one instruction where the CPU lacks VNNI, and the one with
//            32-bit sums five. They start at -8 * (sum of the lane's activations), so that each ends as the sum of x (w - 8) over
//            half a block: at most 16 * 8 * 127, so wrapping on the way does no harm. Levels that reach
//            farther start at -8 START times the sum: what stands in the panel is w + 8 START. Wide: 16 columns of 0..31 or 32 of 0..15
//            fit without; 16 of 0..63 start at -32 times the sum.
//   plain:   signed weights as i16, 32-bit lanes.

import * as storage from '../storage.ts';
import { hasMins, hasTable, isSuper, perSixteen } from './blocks.ts';
import { INTEGERS, ONES, START } from './constants.ts';
import { SUPER_HALVES, SUPER_HEAD, SUPER_STARTS, SUPER_SUMS, SUPER_VALUES } from './layouts.ts';
import { unitsOf, wordsOf } from './unpackBlocks.ts';

// As classes without fields: their answers are constants wherever the tile is compiled for one of them.

class Narrow {
  wide(): bool {
    return false;
  }
}
class Wide {
  wide(): bool {
    return true;
  }
}

/** `count` blocks or super-blocks. */
export function tileQ(packed: i32, w: usize, x: usize, stride: usize, count: usize, sums: usize, c: usize): void {
  if (isSuper(packed)) tile<Wide>(packed, w, x, stride, count, sums, c);
  else tile<Narrow>(packed, w, x, stride, count, sums, c);
}

function tile<F>(packed: i32, w: usize, x: usize, stride: usize, count: usize, sums: usize, c: usize): void {
  const wide = changetype<F>(0).wide();
  const starts = ASC_FEATURE_RELAXED_SIMD && (packed == storage.PACKED_Q6_K || packed == storage.PACKED_Q3_K);
  const plane: usize = ASC_FEATURE_RELAXED_SIMD && hasTable(packed) ? 32 : 0;
  const bytes = wordsOf(packed) << 5;
  const size = wide ? SUPER_HEAD + unitsOf(packed) * (bytes + 32) : bytes + 32;
  const isums = c + INTEGERS;
  let x0 = x,
    x1 = x + stride,
    x2 = x1 + stride,
    x3 = x2 + stride;
  for (const end = w + count * size; w < end; ) {
    const panel = w;
    const d0 = x0,
      d1 = x1,
      d2 = x2,
      d3 = x3;
    x0 += wide ? SUPER_VALUES : 8;
    x1 += wide ? SUPER_VALUES : 8;
    x2 += wide ? SUPER_VALUES : 8;
    x3 += wide ? SUPER_VALUES : 8;
    let sum: usize = SUPER_STARTS,
      back = plane;
    if (wide) {
      memory.fill(isums, 0, 128);
      w += SUPER_HEAD;
    }
    for (;;) {
      let a0 = wide ? i32x4.splat(0) : start(d0, c),
        a1 = wide ? a0 : start(d1, c),
        a2 = wide ? a0 : start(d2, c),
        a3 = wide ? a0 : start(d3, c);
      if (wide && starts) {
        a0 = v128.load32_splat(d0 + sum);
        a1 = v128.load32_splat(d1 + sum);
        a2 = v128.load32_splat(d2 + sum);
        a3 = v128.load32_splat(d3 + sum);
        sum += 4;
      }
      let b0 = a0,
        b1 = a1,
        b2 = a2,
        b3 = a3;
      const scales = w;
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
      const lo = v128.load(scales),
        hi = v128.load(scales, 16);
      w += 32;
      if (!wide) {
        let d = v128.load32_splat(d0);
        v128.store(sums, f32x4.add(v128.load(sums), floats(a0, f32x4.mul(lo, d), c)));
        v128.store(sums, f32x4.add(v128.load(sums, 16), floats(b0, f32x4.mul(hi, d), c)), 16);
        d = v128.load32_splat(d1);
        v128.store(sums, f32x4.add(v128.load(sums, 32), floats(a1, f32x4.mul(lo, d), c)), 32);
        v128.store(sums, f32x4.add(v128.load(sums, 48), floats(b1, f32x4.mul(hi, d), c)), 48);
        d = v128.load32_splat(d2);
        v128.store(sums, f32x4.add(v128.load(sums, 64), floats(a2, f32x4.mul(lo, d), c)), 64);
        v128.store(sums, f32x4.add(v128.load(sums, 80), floats(b2, f32x4.mul(hi, d), c)), 80);
        d = v128.load32_splat(d3);
        v128.store(sums, f32x4.add(v128.load(sums, 96), floats(a3, f32x4.mul(lo, d), c)), 96);
        v128.store(sums, f32x4.add(v128.load(sums, 112), floats(b3, f32x4.mul(hi, d), c)), 112);
        x0 += 4;
        x1 += 4;
        x2 += 4;
        x3 += 4;
        break;
      }
      v128.store(isums, i32x4.add(v128.load(isums), scaled(a0, lo)));
      v128.store(isums, i32x4.add(v128.load(isums, 16), scaled(b0, hi)), 16);
      v128.store(isums, i32x4.add(v128.load(isums, 32), scaled(a1, lo)), 32);
      v128.store(isums, i32x4.add(v128.load(isums, 48), scaled(b1, hi)), 48);
      v128.store(isums, i32x4.add(v128.load(isums, 64), scaled(a2, lo)), 64);
      v128.store(isums, i32x4.add(v128.load(isums, 80), scaled(b2, hi)), 80);
      v128.store(isums, i32x4.add(v128.load(isums, 96), scaled(a3, lo)), 96);
      v128.store(isums, i32x4.add(v128.load(isums, 112), scaled(b3, hi)), 112);
      if (w >= panel + size) break;
      // The second plane of a table has the same columns.
      x0 -= back;
      x1 -= back;
      x2 -= back;
      x3 -= back;
      back = plane - back;
    }
    if (wide) finish(packed, panel, d0, stride, sums, c);
  }
}

/** Adds a super-block's sums to those of 4 rows. */
function finish(packed: i32, panel: usize, x: usize, stride: usize, sums: usize, c: usize): void {
  const mins = hasMins(packed),
    planes = ASC_FEATURE_RELAXED_SIMD && hasTable(packed);
  const lo = v128.load(panel),
    hi = v128.load(panel, 16);
  const last: usize = perSixteen(packed) ? SUPER_HEAD : SUPER_HEAD - 128;
  for (let s = c + INTEGERS, end = s + 128; s < end; s += 32, sums += 32, x += stride) {
    let i = v128.load(s),
      j = v128.load(s, 16),
      m = i32x4.splat(0),
      n = m;
    if (mins || planes) {
      let at = x + (perSixteen(packed) ? SUPER_HALVES : SUPER_SUMS);
      for (let p = panel + 64, to = panel + last; p < to; p += 32, at += 4) {
        const v = v128.load32_splat(at);
        m = i32x4.add(m, i32x4.dot_i16x8_s(v, v128.load(p)));
        n = i32x4.add(n, i32x4.dot_i16x8_s(v, v128.load(p, 16)));
      }
    }
    if (planes) {
      i = i32x4.sub(i, m);
      j = i32x4.sub(j, n);
    }
    const d = v128.load32_splat(x);
    let f = f32x4.add(v128.load(sums), f32x4.mul(f32x4.convert_i32x4_s(i), f32x4.mul(lo, d))),
      g = f32x4.add(v128.load(sums, 16), f32x4.mul(f32x4.convert_i32x4_s(j), f32x4.mul(hi, d)));
    if (mins) {
      f = f32x4.sub(f, f32x4.mul(f32x4.convert_i32x4_s(m), f32x4.mul(v128.load(panel, 32), d)));
      g = f32x4.sub(g, f32x4.mul(f32x4.convert_i32x4_s(n), f32x4.mul(v128.load(panel, 48), d)));
    }
    v128.store(sums, f);
    v128.store(sums, g, 16);
  }
}

function start(x: usize, c: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.mul(v128.load32_splat(x, 4), v128.load(c, START)) : i32x4.splat(0);
}

function dot(sum: v128, x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** Integer sums of 4 outputs times their scales, which stand twice each in the relaxed build. */
function scaled(dots: v128, scale: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.dot_i16x8_s(dots, scale) : i32x4.mul(dots, scale);
}

function floats(dots: v128, scale: v128, c: usize): v128 {
  const whole = ASC_FEATURE_RELAXED_SIMD ? i32x4.dot_i16x8_s(dots, v128.load(c, ONES)) : dots;
  return f32x4.mul(f32x4.convert_i32x4_s(whole), scale);
}
