// clusterRows: out[j] = in0[P1 + j * P2] + the mean of those rows r with in1[r] = j (0 where there are none)
//
//   in0  f32 [P3, cols]      rows lie P0 elements apart
//   in1  i32 [P3, 1]         the cluster of each row; -1: none
//   out  f32 [rows, cols]    rows: cell
//
// Rows of the result are split over threads; members are added in order.

import { addScaled } from '../../families/rowMath.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function clusterRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    n = load<i32>(op, P3);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;
  const x = load<usize>(op, IN0),
    cluster = load<usize>(op, IN1);
  const end = firstRow(rows, thread + 1, threads);
  for (let j = firstRow(rows, thread, threads); j < end; j++) {
    const out = load<usize>(op, OUT) + <usize>j * bytes;
    let members = 0;
    for (let r = 0; r < n; r++) members += load<i32>(cluster + ((<usize>r) << 2)) == j ? 1 : 0;
    const share: f32 = 1 / <f32>max(members, 1);
    memory.fill(out, 0, bytes);
    for (let r = 0; r < n; r++) {
      if (load<i32>(cluster + ((<usize>r) << 2)) == j) addScaled(out, x + <usize>r * stride, share, bytes);
    }
    addScaled(out, x + <usize>(load<i32>(op, P1) + j * load<i32>(op, P2)) * stride, 1, bytes);
  }
}
