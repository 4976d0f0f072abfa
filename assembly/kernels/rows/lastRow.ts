// lastRow: out = in0[rows - 1]
//
//   in0  f32 [rows, cols]   rows: cell, at least 1; rows lie P0 elements apart
//   out  f32 [1, cols]
//
// Elements are split over threads.

import { copyWindow } from '../../families/copyWindow.ts';
import { COLS, IN0, OUT, P0, ROWS } from '../../program.ts';

export function lastRow(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  const last = max(load<i32>(load<usize>(op, ROWS)) - 1, 0);
  copyWindow(load<usize>(op, OUT), cols, load<usize>(op, IN0) + ((<usize>(last * load<i32>(op, P0))) << 2), 0, 1, cols, thread, threads);
}
