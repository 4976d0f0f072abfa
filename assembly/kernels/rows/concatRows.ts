// concatRows: out = in0 above in1
//
//   in0  f32 [rows, cols]        rows: cell; rows lie P0 elements apart
//   in1  f32 [P1, cols]          P1: cell; rows lie P2 elements apart
//   out  f32 [rows + P1, cols]
//
// Elements of each part are split over threads.

import { copyWindow } from '../../families/copyWindow.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, ROWS } from '../../program.ts';

export function concatRows(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  const a = load<i32>(load<usize>(op, ROWS)),
    b = load<i32>(load<usize>(op, P1));
  const out = load<usize>(op, OUT);
  copyWindow(out, cols, load<usize>(op, IN0), load<i32>(op, P0), a, cols, thread, threads);
  copyWindow(out + ((<usize>(a * cols)) << 2), cols, load<usize>(op, IN1), load<i32>(op, P2), b, cols, thread, threads);
}
