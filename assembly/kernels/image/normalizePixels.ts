// normalizePixels: RGB bytes become planes of floats.
//
//   out[c, y, x] = in1[c, in0[y, x, c]]
//
//   in0   u8  [rows, COLS, 3]   rows: cell; COLS: pixels of a row
//   in1   f32 [3, 256]          what each byte becomes: (byte * rescale - mean[c]) / std[c], rounded as the reference rounds
//   out   f32 [3, rows, COLS]
//
// A table of 256 values gives the reference's bits without repeating its arithmetic. Rows are split over threads.

import { COLS, IN0, IN1, OUT, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function normalizePixels(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const plane = (<usize>(rows * cols)) << 2;
  const table = load<usize>(op, IN1);

  const from = <usize>(firstRow(rows, thread, threads) * cols);
  const to = <usize>(firstRow(rows, thread + 1, threads) * cols);
  let p = load<usize>(op, IN0) + from * 3;
  const end = load<usize>(op, OUT) + (to << 2);
  for (let y = load<usize>(op, OUT) + (from << 2); y < end; y += 4) {
    store<f32>(y, load<f32>(table + ((<usize>load<u8>(p)) << 2)));
    store<f32>(y + plane, load<f32>(table + ((<usize>load<u8>(p, 1)) << 2), 1024));
    store<f32>(y + (plane << 1), load<f32>(table + ((<usize>load<u8>(p, 2)) << 2), 2048));
    p += 3;
  }
}
