// meanRows: out[c] = sum over r of in0[r, c] / rows
//
//   in0   f32 [rows, cols]   rows: cell; contiguous
//   out   f32 [1, cols]      0 for no rows
//
// Columns are split over threads; rows are added in order.

import { COLS, IN0, OUT, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function meanRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    cols = load<i32>(op, COLS);
  const stride = (<usize>cols) << 2,
    x = load<usize>(op, IN0),
    out = load<usize>(op, OUT);
  const divisor = <f32>max(rows, 1);
  const end = x + <usize>rows * stride;

  // Shares are whole vectors; the last thread also has the columns that fill none.
  const from = firstRow(cols >> 2, thread, threads) << 2,
    to = thread + 1 == threads ? cols : firstRow(cols >> 2, thread + 1, threads) << 2;
  let c = from;
  for (; c + 4 <= to; c += 4) {
    let s = f32x4.splat(0);
    for (let p = x + ((<usize>c) << 2); p < end; p += stride) s = f32x4.add(s, v128.load(p));
    v128.store(out + ((<usize>c) << 2), f32x4.div(s, f32x4.splat(divisor)));
  }
  for (; c < to; c++) {
    let s: f32 = 0;
    for (let p = x + ((<usize>c) << 2); p < end; p += stride) s += load<f32>(p);
    store<f32>(out + ((<usize>c) << 2), s / divisor);
  }
}
