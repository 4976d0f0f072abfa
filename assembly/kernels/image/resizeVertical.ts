// resizeVertical: the column pass of Pillow's separable resampler on bytes, exact in 22-bit fixed point.
//
//   out[y, b] = clamp((2^21 + sum_i k[y, i] * in0[first[y] + i, b]) >> 22, 0, 255)
//
//   in0   u8  [height, COLS]   COLS: row bytes, multiple of 16
//   in1   i32 [rows, P2 / 4]   per output row: first, pairs, then for each pair of taps the words [hi0 | hi1 << 16], [lo0 | lo1 << 16]
//   out   u8  [rows, COLS]     rows: cell
//   P0    height
//   P2    bytes of a row of in1
//
// Coefficients are split as in resizeHorizontal: k = hi * 2^11 + lo. An odd last tap is paired with a coefficient 0. Output rows are split over threads.

import { COLS, IN0, IN1, OUT, P0, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function resizeVertical(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const bytes = <usize>load<i32>(op, COLS);
  const tableBytes = <usize>load<i32>(op, P2);
  const lastRow = load<usize>(op, IN0) + <usize>(load<i32>(op, P0) - 1) * bytes;
  const half = i32x4.splat(1 << 21),
    zero = i32x4.splat(0);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const table = load<usize>(op, IN1) + <usize>r * tableBytes;
    const first = load<usize>(op, IN0) + <usize>load<i32>(table) * bytes;
    const stop = table + 8 + ((<usize>load<i32>(table, 4)) << 3);
    const to = load<usize>(op, OUT) + <usize>r * bytes;

    for (let b: usize = 0; b < bytes; b += 16) {
      let p = first + b;
      let h0 = zero,
        h1 = zero,
        h2 = zero,
        h3 = zero;
      let l0 = half,
        l1 = half,
        l2 = half,
        l3 = half;
      for (let k = table + 8; k < stop; k += 8) {
        const high = v128.load32_splat(k),
          low = v128.load32_splat(k, 4);
        const above = v128.load(p);
        // The partner of an odd last tap has coefficient 0: any row inside the image will do.
        const below = v128.load(min(p + bytes, lastRow + b));
        const left = i8x16.shuffle(above, below, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const right = i8x16.shuffle(above, below, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const t0 = i16x8.extend_low_i8x16_u(left),
          t1 = i16x8.extend_high_i8x16_u(left);
        const t2 = i16x8.extend_low_i8x16_u(right),
          t3 = i16x8.extend_high_i8x16_u(right);
        h0 = i32x4.add(h0, i32x4.dot_i16x8_s(t0, high));
        h1 = i32x4.add(h1, i32x4.dot_i16x8_s(t1, high));
        h2 = i32x4.add(h2, i32x4.dot_i16x8_s(t2, high));
        h3 = i32x4.add(h3, i32x4.dot_i16x8_s(t3, high));
        l0 = i32x4.add(l0, i32x4.dot_i16x8_s(t0, low));
        l1 = i32x4.add(l1, i32x4.dot_i16x8_s(t1, low));
        l2 = i32x4.add(l2, i32x4.dot_i16x8_s(t2, low));
        l3 = i32x4.add(l3, i32x4.dot_i16x8_s(t3, low));
        p += bytes << 1;
      }
      v128.store(
        to + b,
        i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(pixel(h0, l0), pixel(h1, l1)), i16x8.narrow_i32x4_s(pixel(h2, l2), pixel(h3, l3))),
      );
    }
  }
}

/** (high * 2^11 + low) / 2^22, rounded down: `low` started with one half. */
function pixel(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, 11), low), 22);
}
