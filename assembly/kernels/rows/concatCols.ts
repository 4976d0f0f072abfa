// concatCols: out[r] = in0[r] beside in1[r]
//
//   in0  f32 [rows, cols]        rows: cell; rows lie P0 elements apart
//   in1  f32 [rows, P1]          rows lie P2 elements apart
//   out  f32 [rows, cols + P1]
//
// Elements of each part are split over threads.

import { copyWindow } from '../../families/copyWindow.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, ROWS } from '../../program.ts';

export function concatCols(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const a = load<i32>(op, COLS),
    b = load<i32>(op, P1);
  const out = load<usize>(op, OUT);
  copyWindow(out, a + b, load<usize>(op, IN0), load<i32>(op, P0), rows, a, thread, threads);
  copyWindow(out + ((<usize>a) << 2), a + b, load<usize>(op, IN1), load<i32>(op, P2), rows, b, thread, threads);
}
