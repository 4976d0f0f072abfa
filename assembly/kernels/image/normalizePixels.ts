// normalizePixels: a window of RGB bytes becomes planes of floats.
//
//   out[c, y, x] = in1[c, in0[P0 + y, P1 + x, c]]
//
//   in0   u8  [height, COLS]      pixels RGBRGB..; COLS: row bytes
//   in1   f32 [3, 256]            what each byte becomes: (byte * rescale - mean[c]) / std[c], rounded as the reference rounds
//   out   f32 [3, rows, P2]       rows: cell
//   P0    first row of the window
//   P1    first pixel of the window in a row
//   P2    pixels of a row of the window
//
// A table of 256 values gives the reference's bits without repeating its arithmetic. Rows are split over threads.

import { COLS, IN0, IN1, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function normalizePixels(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const inBytes = <usize>load<i32>(op, COLS);
  const outBytes = (<usize>load<i32>(op, P2)) << 2;
  const plane = <usize>rows * outBytes;
  const table = load<usize>(op, IN1);
  const window = load<usize>(op, IN0) + <usize>load<i32>(op, P0) * inBytes + <usize>load<i32>(op, P1) * 3;

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    let p = window + <usize>r * inBytes;
    const red = load<usize>(op, OUT) + <usize>r * outBytes,
      green = red + plane,
      blue = green + plane;
    for (let i: usize = 0; i < outBytes; i += 4) {
      store<f32>(red + i, load<f32>(table + ((<usize>load<u8>(p)) << 2)));
      store<f32>(green + i, load<f32>(table + ((<usize>load<u8>(p, 1)) << 2), 1024));
      store<f32>(blue + i, load<f32>(table + ((<usize>load<u8>(p, 2)) << 2), 2048));
      p += 3;
    }
  }
}
