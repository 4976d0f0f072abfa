// argmax: out[r] = the first column that holds the largest value of in0[r]
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   out  i32 [rows, 1]
//
// NaN is never chosen: pmax(a, b) is a wherever b is NaN, and no NaN equals the maximum. A row of nothing but NaN gives -1.
// One pass finds the maximum, a second looks for it and stops there. Rows are split over threads.

import { largest } from '../../families/largest.ts';
import { COLS, IN0, OUT, P0, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function argmax(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * stride;
    store<i32>(load<usize>(op, OUT) + ((<usize>r) << 2), find(x, bytes, largest(x, bytes)));
  }
}

function find(x: usize, bytes: usize, value: f32): i32 {
  const v = f32x4.splat(value),
    vectors = bytes & ~15;
  let i: usize = 0;
  for (; i < vectors; i += 16) {
    const hit = i32x4.bitmask(f32x4.eq(v128.load(x + i), v));
    if (hit !== 0) return <i32>(i >> 2) + ctz(hit);
  }
  for (; i < bytes; i += 4) if (load<f32>(x + i) === value) return <i32>(i >> 2);
  return -1;
}
