// scaleRows: out[r] = in0[r] * in1[r]
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   in1  f32 [rows, 1]      rows lie P1 elements apart
//   out  f32 [rows, cols]   contiguous; may be in0
//
// Rows are split over threads.

import { COLS, IN0, IN1, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function scaleRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2,
    step = (<usize>load<i32>(op, P1)) << 2;
  const vectors = bytes & ~15;

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * stride,
      y = load<usize>(op, OUT) + <usize>r * bytes;
    const f = v128.load_splat<f32>(load<usize>(op, IN1) + <usize>r * step);
    let i: usize = 0;
    for (; i < vectors; i += 16) v128.store(y + i, f32x4.mul(v128.load(x + i), f));
    for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * f32x4.extract_lane(f, 0));
  }
}
