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
  const half = i32x4.splat(1 << 21),
    zero = i32x4.splat(0);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r += 2) {
    // Two rows share the loads of the coefficients. The partner of an odd last row is that row itself.
    const partner = min(r + 1, end - 1);
    const row0 = load<usize>(op, IN0) + <usize>r * inBytes;
    const row1 = load<usize>(op, IN0) + <usize>partner * inBytes;
    let to0 = load<usize>(op, OUT) + <usize>r * outBytes;
    let to1 = load<usize>(op, OUT) + <usize>partner * outBytes;
    let table = load<usize>(op, IN1);

    for (let x = 0; x < pixels; x++) {
      const first = <usize>load<i32>(table) * 3;
      let p = row0 + first,
        q = row1 + first;
      let k = table + 8;
      const stop = k + ((<usize>load<i32>(table, 4)) << 3);
      let high0 = zero,
        high1 = zero,
        low0 = half,
        low1 = half;
      for (; k < stop; k += 8) {
        const high = v128.load32_splat(k),
          low = v128.load32_splat(k, 4);
        const a = taps(v128.load8x8_u(p)),
          b = taps(v128.load8x8_u(q));
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(a, high));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(b, high));
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(a, low));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(b, low));
        p += 6;
        q += 6;
      }
      const both = i16x8.narrow_i32x4_s(pixel(high0, low0), pixel(high1, low1));
      const bytes = i8x16.narrow_i16x8_u(both, both);
      v128.store32_lane(to0, bytes, 0);
      v128.store32_lane(to1, bytes, 1);
      table += tableBytes;
      to0 += 3;
      to1 += 3;
    }
  }
}

/** r0 g0 b0 r1 g1 b1 . . -> r0 r1 g0 g1 b0 b1 . . */
function taps(pixels: v128): v128 {
  return v128.shuffle<i16>(pixels, pixels, 0, 3, 1, 4, 2, 5, 6, 7);
}

/** (high * 2^11 + low) / 2^22, rounded down: `low` started with one half. */
function pixel(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, 11), low), 22);
}
