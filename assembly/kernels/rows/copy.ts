// copy: out[r, c] = in0[r, c], contiguous
//
//   in0  f32 or i32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   out  of the same type [rows, cols]
//
// Elements are split over threads.

import { copyWindow } from '../../families/copyWindow.ts';
import { COLS, IN0, OUT, P0, ROWS } from '../../program.ts';

export function copy(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  copyWindow(load<usize>(op, OUT), cols, load<usize>(op, IN0), load<i32>(op, P0), load<i32>(load<usize>(op, ROWS)), cols, thread, threads);
}
