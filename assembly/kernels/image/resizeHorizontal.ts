// resizeHorizontal: the row pass of Pillow's separable resampler on RGB bytes, exact in 22-bit fixed point.
//
//   out[y, x, c] = clamp((2^21 + sum_i k[x, i] * in0[y, first[x] + i, c]) >> 22, 0, 255)
//
//   in0   u8  [rows, COLS]   pixels RGBRGB..; rows: cell; COLS: row bytes, 3 * pixels + at least 5 spare bytes that may hold anything
//   in1   i32 [P0, P2 / 4]   per output pixel: first, pairs, then for each pair of taps the words [hi0 | hi1 << 16], [lo0 | lo1 << 16]
//   out   u8  [rows, P1]     P1: row bytes, at least 3 * P0 + 1: the byte after the last pixel is overwritten
//   P0    output pixels of a row
//   P2    bytes of a row of in1
//
// A coefficient has up to 24 bits. It enters as k = hi * 2^11 + lo, two halves that fit the 16-bit dot product, which takes two taps at once;
// (sum hi * p) * 2^11 + sum lo * p is the same integer. An odd last tap is paired with a coefficient 0. Rows are split over threads.

import { COLS, IN0, IN1, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function resizeHorizontal(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const inBytes = <usize>load<i32>(op, COLS);
  const outBytes = <usize>load<i32>(op, P1);
  const pixels = load<i32>(op, P0);
  const tableBytes = <usize>load<i32>(op, P2);
  const half = i32x4.splat(1 << 21);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const row = load<usize>(op, IN0) + <usize>r * inBytes;
    let table = load<usize>(op, IN1);
    let to = load<usize>(op, OUT) + <usize>r * outBytes;

    for (let x = 0; x < pixels; x++) {
      let p = row + <usize>load<i32>(table) * 3;
      let k = table + 8;
      const stop = k + ((<usize>load<i32>(table, 4)) << 3);
      let high = i32x4.splat(0),
        low = half;
      for (; k < stop; k += 8) {
        // r0 g0 b0 r1 g1 b1 . . -> r0 r1 g0 g1 b0 b1 . .
        const bytes = v128.load8x8_u(p);
        const taps = v128.shuffle<i16>(bytes, bytes, 0, 3, 1, 4, 2, 5, 6, 7);
        high = i32x4.add(high, i32x4.dot_i16x8_s(taps, v128.load32_splat(k)));
        low = i32x4.add(low, i32x4.dot_i16x8_s(taps, v128.load32_splat(k, 4)));
        p += 6;
      }
      const sum = i32x4.shr_s(i32x4.add(i32x4.shl(high, 11), low), 22);
      const words = i16x8.narrow_i32x4_s(sum, sum);
      v128.store32_lane(to, i8x16.narrow_i16x8_u(words, words), 0);
      table += tableBytes;
      to += 3;
    }
  }
}
