// meanHeads: out[r, c] = sum over h of in0[r, h * cols + c] / heads
//
//   in0  f32 [rows, heads * cols]   rows: cell; rows lie P0 elements apart
//   out  f32 [rows, cols]
//   P1 heads
//
// Rows are split over threads; heads are added in order.

import { addScaled } from '../../families/rowMath.ts';
import { COLS, IN0, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function meanHeads(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    heads = load<i32>(op, P1);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;
  const share: f32 = 1 / <f32>heads;
  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * stride,
      out = load<usize>(op, OUT) + <usize>r * bytes;
    memory.fill(out, 0, bytes);
    for (let h = 0; h < heads; h++) addScaled(out, x + <usize>h * bytes, share, bytes);
  }
}
