// mergeNeighbours: chosen rows take up the rows most like them (PruMerge)
//
//   in0  f32 [P1, cols]       x; rows lie P0 elements apart
//   in1  f32 [P1, P3]         keys; rows lie P2 elements apart
//   in2  f32 [P1]             a
//   in3  i32 [P4, 1]          chosen rows; P4: cell
//   out  f32 [rows, cols]     rows: cell, one more than are chosen
//   P5 neighbours
//
//   out[i] = x[c] + sum of a[j] x[j] over the P5 rows j != c whose keys have the largest cosine with c's; equal ones: the earlier
//   out[P4] = sum of a[j] x[j] over all rows that are not chosen
//
// Rows of the result are split over threads; sums run in order of j.

import { atLeast, kth, orderOf } from '../../families/order.ts';
import { addScaled, dot, inverseNorm } from '../../families/rowMath.ts';
import { COLS, IN0, IN1, IN2, IN3, OUT, P0, P1, P2, P3, P4, P5, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function mergeNeighbours(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    chosen = load<i32>(load<usize>(op, P4)),
    n = load<i32>(op, P1);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    words = (<usize>n) << 2;
  const norms = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE),
    weights = norms + words;
  const keyStride = (<usize>load<i32>(op, P2)) << 2,
    keyBytes = (<usize>load<i32>(op, P3)) << 2;
  for (let j = 0; j < n; j++) store<f32>(norms + ((<usize>j) << 2), inverseNorm(load<usize>(op, IN1) + <usize>j * keyStride, keyBytes));

  const end = firstRow(rows, thread + 1, threads);
  for (let i = firstRow(rows, thread, threads); i < end; i++) {
    const out = load<usize>(op, OUT) + <usize>i * bytes,
      list = load<usize>(op, IN3);
    if (i == chosen) {
      memory.copy(weights, load<usize>(op, IN2), words);
      for (let j = 0; j < chosen; j++) store<f32>(weights + ((<usize>load<i32>(list + ((<usize>j) << 2))) << 2), 0);
      memory.fill(out, 0, bytes);
    } else {
      const c = load<i32>(list + ((<usize>i) << 2));
      neighbours(op, c, n, norms, weights);
      memory.copy(out, load<usize>(op, IN0) + ((<usize>(c * load<i32>(op, P0))) << 2), bytes);
    }
    for (let j = 0; j < n; j++) {
      const w = load<f32>(weights + ((<usize>j) << 2));
      if (w != 0) addScaled(out, load<usize>(op, IN0) + ((<usize>(j * load<i32>(op, P0))) << 2), w, bytes);
    }
  }
}

/** weights[j] = a[j] for the neighbours of row c, else 0. */
function neighbours(op: usize, c: i32, n: i32, norms: usize, weights: usize): void {
  const keys = load<usize>(op, IN1),
    stride = (<usize>load<i32>(op, P2)) << 2,
    bytes = (<usize>load<i32>(op, P3)) << 2,
    count = load<i32>(op, P5);
  const key = keys + <usize>c * stride,
    norm = load<f32>(norms + ((<usize>c) << 2));
  for (let j = 0; j < n; j++) {
    const cosine = dot(key, keys + <usize>j * stride, bytes) * norm * load<f32>(norms + ((<usize>j) << 2));
    // No finite number orders as 0 does.
    store<u32>(weights + ((<usize>j) << 2), j == c ? 0 : orderOf(cosine));
  }
  const bound = kth(weights, n, count);
  let equal = bound == 0xffffffff ? 0 : count - atLeast(weights, n, bound + 1);
  for (let j = 0; j < n; j++) {
    const p = weights + ((<usize>j) << 2),
      rank = load<u32>(p);
    let near = rank > bound;
    if (rank == bound && equal > 0 && j != c) {
      near = true;
      equal--;
    }
    store<f32>(p, near ? load<f32>(load<usize>(op, IN2) + ((<usize>j) << 2)) : 0);
  }
}
