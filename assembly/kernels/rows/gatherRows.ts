// gatherRows: out[i] = in0[in1[i]], zeros where in1[i] is outside in0
//
//   in0  f32 [P1, cols]     P1: cell; rows lie P0 elements apart
//   in1  i32 [rows, 1]      rows: cell
//   out  f32 [rows, cols]
//
// Rows are split over threads.

import { copyElements } from '../../families/copyWindow.ts';
import { COLS, IN0, IN1, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function gatherRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const bytes = (<usize>load<i32>(op, COLS)) << 2;
  const stride = (<usize>load<i32>(op, P0)) << 2;
  const have = load<u32>(load<usize>(op, P1));
  const index = load<usize>(op, IN1);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const at = load<u32>(index + ((<usize>r) << 2));
    const out = load<usize>(op, OUT) + <usize>r * bytes;
    if (at < have) copyElements(out, load<usize>(op, IN0) + <usize>at * stride, bytes);
    else memory.fill(out, 0, bytes);
  }
}
