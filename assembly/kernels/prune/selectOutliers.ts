// selectOutliers: rows whose score is far above the others' (PruMerge), best first, and samples between them
//
//   in0   f32 [n]            scores; n: P0
//   out0  i32 [n, 1]         chosen rows: trunc(n * ratio) best, equal scores in order; then with P1 the samples, ascending
//   out1  f32 [1, 1]         ratio: the share of scores above q3 + 1.5 (q3 - q1), quartiles interpolated
//   P1 1: samples every trunc(trunc(1 / ratio) / 3) rows below P2, where not chosen already
//   P3 cell: rows chosen; P4 cell: one more
//
// Where no score is an outlier the ratio is 1/8; a step of 0 becomes 1. The last thread works alone: it ranks a few hundred numbers.

import { IN0, OUT, OUT1, P0, P1, P2, P3, P4, SCRATCH } from '../../program.ts';

export function selectOutliers(op: usize, thread: i32, threads: i32): void {
  if (thread != threads - 1) return;
  const n = load<i32>(op, P0),
    scores = load<usize>(op, IN0),
    out = load<usize>(op, OUT),
    order = load<usize>(op, SCRATCH);
  // order[rank] = row, best first.
  for (let i = 0; i < n; i++) {
    const s = at(scores, i);
    let rank = 0;
    for (let j = 0; j < n; j++) {
      const t = at(scores, j);
      rank += t > s || (t == s && j < i) ? 1 : 0;
    }
    store<i32>(order + ((<usize>rank) << 2), i);
  }
  const q1 = quantile(scores, order, n, 0.25),
    q3 = quantile(scores, order, n, 0.75);
  const bound = q3 + 1.5 * (q3 - q1);
  let above = 0;
  for (let i = 0; i < n; i++) above += <f64>at(scores, i) > bound ? 1 : 0;
  const ratio: f64 = above ? <f64>above / <f64>n : 0.125;
  store<f32>(load<usize>(op, OUT1), <f32>ratio);

  let count = <i32>trunc(<f64>n * ratio);
  memory.copy(out, order, (<usize>count) << 2);
  if (load<i32>(op, P1)) {
    const step = max(<i32>trunc(trunc(1 / ratio) / 3), 1),
      best = count;
    for (let i = 0, end = min(load<i32>(op, P2), n); i < end; i += step) {
      let known = false;
      for (let j = 0; j < best && !known; j++) known = load<i32>(out + ((<usize>j) << 2)) == i;
      if (known) continue;
      store<i32>(out + ((<usize>count) << 2), i);
      count++;
    }
  }
  store<i32>(load<usize>(op, P3), count);
  store<i32>(load<usize>(op, P4), count + 1);
}

function at(scores: usize, i: i32): f32 {
  return load<f32>(scores + ((<usize>i) << 2));
}

/** Linear between the two nearest ranks, counted from the smallest. */
function quantile(scores: usize, order: usize, n: i32, q: f64): f64 {
  const place = q * <f64>(n - 1),
    low = <i32>floor(place);
  const a = <f64>at(scores, load<i32>(order + ((<usize>(n - 1 - low)) << 2)));
  const b = <f64>at(scores, load<i32>(order + ((<usize>(n - 1 - min(low + 1, n - 1))) << 2)));
  return a + (b - a) * (place - <f64>low);
}
