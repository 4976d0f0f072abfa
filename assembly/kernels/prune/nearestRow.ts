// nearestRow: for each row the one among the targets that points most nearly its way
//
//   in0   f32 [rows, cols]   rows: cell; rows lie P0 elements apart; targets are its rows P1, P1 + P2, .., P3 of them
//   out0  f32 [rows, 1]      cosine with the nearest target; -Infinity for targets and for the first P4 rows
//   out1  i32 [rows, 1]      number of that target, the first on ties; -1 for targets
//
// Rows are split over threads; each thread keeps the targets' norms in its scratch.

import { dot, inverseNorm } from '../../families/rowMath.ts';
import { COLS, IN0, OUT, OUT1, P0, P1, P2, P3, P4, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function nearestRow(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    first = load<i32>(op, P1),
    step = load<i32>(op, P2),
    count = load<i32>(op, P3),
    alone = load<i32>(op, P4);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;
  const x = load<usize>(op, IN0),
    targets = x + <usize>first * stride,
    next = <usize>step * stride;
  const norms = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  for (let j = 0; j < count; j++) store<f32>(norms + ((<usize>j) << 2), inverseNorm(targets + <usize>j * next, bytes));

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const past = r - first;
    const isTarget = past >= 0 && past % step == 0 && past / step < count;
    let best: f32 = -Infinity,
      at = -1;
    if (!isTarget) {
      const row = x + <usize>r * stride,
        norm = inverseNorm(row, bytes);
      for (let j = 0; j < count; j++) {
        const cosine = dot(row, targets + <usize>j * next, bytes) * norm * load<f32>(norms + ((<usize>j) << 2));
        if (cosine > best) {
          best = cosine;
          at = j;
        }
      }
    }
    store<f32>(load<usize>(op, OUT) + ((<usize>r) << 2), r < alone ? -Infinity : best);
    store<i32>(load<usize>(op, OUT1) + ((<usize>r) << 2), at);
  }
}
