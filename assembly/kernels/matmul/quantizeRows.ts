// quantizeRows: q = round(x / d), d = max|x| / 127 over 32 values, or over 256 for weights in super-blocks
//
//   in0       f32 [rows, cols]   rows: cell; the last block of 32 is padded with zeros
//   out       q8 [rows, cols]    per 32 values: f32 d, a word made of sums of q, the values q, f32 d times the sum of q
//             q8-256             per 256 values: f32 d, sums of q and (relaxed) words for each 16 values, the values q: see families/layouts.ts
//   P0                           bytes from one row of in0 to the next
//   P1                           values under one d: 32 or 256
//
// What the dots of each build want:
//   relaxed: q as i8; the word is two i16: -8 (q8-256: -32) times the sum of the values that are 0 or 1 mod 4, of those that are 2 or 3
//   plain:   q as i16, each 4 neighbours in the order 0 2 1 3 (the even and the odd bytes of packed weights); the word is -8 times the sum of all
//
// Ties go to even. Rows are split over threads; the blocks of a single row, too.

import { Q8_BYTES, SUPER_BYTES, SUPER_HALVES, SUPER_STARTS, SUPER_SUMS, SUPER_VALUES } from '../../families/layouts.ts';
import { COLS, IN0, OUT, P0, P1, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function quantizeRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const stride = load<usize>(op, P0);
  const wide = load<i32>(op, P1) == 256;
  const shift = wide ? 8 : 5;
  const whole = cols >> shift;
  const blocks = wide ? whole : (cols + 31) >> 5;
  const total = rows * blocks;
  const padded = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);

  const end = firstRow(total, thread + 1, threads);
  for (let i = firstRow(total, thread, threads); i < end; i++) {
    const row = i / blocks;
    const block = i - row * blocks;
    let x = load<usize>(op, IN0) + <usize>row * stride + ((<usize>block) << (shift + 2));
    if (block == whole) {
      memory.fill(padded, 0, 128);
      memory.copy(padded, x, (<usize>(cols & 31)) << 2);
      x = padded;
    }
    if (wide) quantizeSuper(x, load<usize>(op, OUT) + <usize>i * SUPER_BYTES);
    else quantize(x, load<usize>(op, OUT) + <usize>i * Q8_BYTES);
  }
}

function quantize(x: usize, y: usize): void {
  const d = scale(x, 128),
    inverse = reciprocal(d);
  const sum = round(x, y + 8, 4, inverse);
  const even = -8 * evens(sum),
    odd = -8 * odds(sum);
  store<f32>(y, d);
  store<i32>(y, ASC_FEATURE_RELAXED_SIMD ? (even & 0xffff) | (odd << 16) : even + odd, 4);
  store<f32>(y + Q8_BYTES - 4, d * <f32>((even + odd) / -8));
}

function quantizeSuper(x: usize, y: usize): void {
  const d = scale(x, 1024),
    inverse = reciprocal(d);
  store<f32>(y, d);
  let to = y + SUPER_VALUES,
    other = 0;
  for (let g: usize = 0; g < 16; g++) {
    const sum = round(x, to, 2, inverse);
    const even = evens(sum),
      odd = odds(sum);
    store<i16>(y + (g << 1), <i16>(even + odd), SUPER_HALVES);
    if (ASC_FEATURE_RELAXED_SIMD) store<i32>(y + (g << 2), ((-32 * even) & 0xffff) | ((-32 * odd) << 16), SUPER_STARTS);
    if (g & 1) store<i16>(y + (g & ~1), <i16>(other + even + odd), SUPER_SUMS);
    other = even + odd;
    x += 64;
    to += ASC_FEATURE_RELAXED_SIMD ? 16 : 32;
  }
}

function scale(x: usize, bytes: usize): f32 {
  let m = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < bytes; i += 16) m = f32x4.max(m, f32x4.abs(v128.load(x + i)));
  m = f32x4.max(m, v128.shuffle<u64>(m, m, 1, 0));
  return max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)) / 127;
}

/** Below 2^-100 it would overflow, and all values are zero for every purpose. NaN and infinity pass through d. */
function reciprocal(d: f32): v128 {
  return f32x4.splat(d > reinterpret<f32>(0x0d800000) ? <f32>1 / d : 0);
}

/** Writes `eights` times 8 values; returns 4 sums, of the values that are 0, 1, 2, 3 mod 4. */
function round(x: usize, to: usize, eights: i32, inverse: v128): v128 {
  // Adding 1.5 * 2^23 rounds to an integer, ties to even, that stands in the low bits.
  const magic = f32x4.splat(reinterpret<f32>(0x4b400000));
  let sum = i32x4.splat(0);
  for (let i = 0; i < eights; i++) {
    const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), magic), magic);
    const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), magic), magic);
    sum = i32x4.add(sum, i32x4.add(a, b));
    const q = i16x8.narrow_i32x4_s(a, b);
    if (ASC_FEATURE_RELAXED_SIMD) v128.store64_lane(to, i8x16.narrow_i16x8_s(q, q), 0);
    else v128.store(to, v128.shuffle<u16>(q, q, 0, 2, 1, 3, 4, 6, 5, 7));
    x += 32;
    to += ASC_FEATURE_RELAXED_SIMD ? 8 : 16;
  }
  return sum;
}

function evens(sum: v128): i32 {
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1);
}

function odds(sum: v128): i32 {
  return i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
}
