// quantizeRows: q = round(x / d), d = max|x| / 127 over 32 values
//
//   in0       f32 [rows, cols]   rows: cell; the last block is padded with zeros
//   out       q8 [rows, cols]    per 32 values: f32 d, a word made of sums of q, the values q, f32 d times the sum of q
//   P0                           bytes from one row of in0 to the next
//   P1                           1: two such records of 16 values with the same d, for weights with a scale per 16
//
// What the dots of each build want:
//   relaxed: q as i8; the word is two i16: -8 times the sum of the values that are 0 or 1 mod 4, of those that are 2 or 3
//   plain:   q as i16, each 4 neighbours in the order 0 2 1 3 (the even and the odd bytes of packed weights); the word is -8 times the sum of all
//
// Ties go to even. Rows are split over threads; the blocks of a single row, too.

import { Q8_BYTES, Q8_HALF } from '../../families/layouts.ts';
import { COLS, IN0, OUT, P0, P1, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function quantizeRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const stride = load<usize>(op, P0);
  const halves = load<i32>(op, P1) != 0;
  const blocks = (cols + 31) >> 5;
  const whole = cols >> 5;
  const total = rows * blocks;
  const padded = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);

  const end = firstRow(total, thread + 1, threads);
  for (let i = firstRow(total, thread, threads); i < end; i++) {
    const row = i / blocks;
    const block = i - row * blocks;
    let x = load<usize>(op, IN0) + <usize>row * stride + ((<usize>block) << 7);
    if (block == whole) {
      memory.fill(padded, 0, 128);
      memory.copy(padded, x, (<usize>(cols & 31)) << 2);
      x = padded;
    }
    quantize(x, load<usize>(op, OUT) + <usize>i * (halves ? 2 * Q8_HALF : Q8_BYTES), halves);
  }
}

function quantize(x: usize, y: usize, halves: bool): void {
  let m = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.max(m, f32x4.abs(v128.load(x + i)));
  m = f32x4.max(m, v128.shuffle<u64>(m, m, 1, 0));
  const d = max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)) / 127;
  // Below 2^-100 the reciprocal would overflow, and all values are zero for every purpose. NaN and infinity pass through d.
  const inverse = f32x4.splat(d > reinterpret<f32>(0x0d800000) ? <f32>1 / d : 0);
  // Adding 1.5 * 2^23 rounds to an integer, ties to even, that stands in the low bits.
  const magic = f32x4.splat(reinterpret<f32>(0x4b400000));

  let sum = i32x4.splat(0),
    to = y;
  for (const end = x + 128; x < end; x += 32) {
    const a = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), magic), magic);
    const b = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), inverse), magic), magic);
    sum = i32x4.add(sum, i32x4.add(a, b));
    const q = i16x8.narrow_i32x4_s(a, b);
    if (ASC_FEATURE_RELAXED_SIMD) v128.store64_lane(to, i8x16.narrow_i16x8_s(q, q), 0, 8);
    else v128.store(to, v128.shuffle<u16>(q, q, 0, 2, 1, 3, 4, 6, 5, 7), 8);
    to += ASC_FEATURE_RELAXED_SIMD ? 8 : 16;
    if (halves && x + 96 == end) {
      finish(y, to, d, sum);
      sum = i32x4.splat(0);
      y = to + 12;
      to = y;
    }
  }
  finish(y, to, d, sum);
}

/** The words around the values of a record, which end 8 bytes behind `to`. */
function finish(y: usize, to: usize, d: f32, sum: v128): void {
  const even = -8 * (i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1));
  const odd = -8 * (i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3));
  store<f32>(y, d);
  store<i32>(y, ASC_FEATURE_RELAXED_SIMD ? (even & 0xffff) | (odd << 16) : even + odd, 4);
  store<f32>(to, d * <f32>((even + odd) / -8), 8);
}
