// tomeMerge: the r even rows most like an odd one flow into it (ToMe); the other even rows, then all odd rows stay
//
//   in0   f32 [n, cols]        x; n: P1; rows lie P0 elements apart
//   in1   f32 [n, 1]           how many rows each stands for
//   in2   f32 [n, 1]           cosine of each even row with its odd row (nearestRow)
//   in3   i32 [n, 1]           number of that odd row
//   out0  f32 [n - r, cols]    means weighted by size
//   out1  f32 [n - r, 1]       sizes
//   out2  f32 [1, n - r]       P4 ln size: what a key of that size adds to a score
//   out3  i32 [even + r, 1]    numbers among the even rows: those that stay, those that flow; then where to, among the odd
//   P2 r; P3 1: those that stay are in order, else best first; P4 f32
//
// Every thread ranks for itself; rows of the result are split over threads.

import { addScaled } from '../../families/rowMath.ts';
import { COLS, IN0, IN1, IN2, IN3, OUT, OUT1, OUT2, OUT3, P0, P1, P2, P3, P4, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function tomeMerge(op: usize, thread: i32, threads: i32): void {
  const n = load<i32>(op, P1),
    r = load<i32>(op, P2),
    even = (n + 1) >> 1,
    stay = even - r,
    rows = n - r;
  const order = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE),
    left = order + ((<usize>r) << 2);
  const factor = load<f32>(op, P4);
  rank(op, even, order);
  if (load<i32>(op, P3)) ascending(order, left, even, r);
  if (thread == 0) list(op, order, r, even);

  const end = firstRow(rows, thread + 1, threads);
  for (let i = firstRow(rows, thread, threads); i < end; i++) {
    const out = load<usize>(op, OUT) + ((<usize>(i * load<i32>(op, COLS))) << 2);
    memory.fill(out, 0, (<usize>load<i32>(op, COLS)) << 2);
    let size: f32 = 0;
    if (i < stay) size = take(op, out, 2 * load<i32>(left + ((<usize>i) << 2)));
    else {
      size = take(op, out, 2 * (i - stay) + 1);
      for (let j = 0; j < r; j++) {
        const row = 2 * load<i32>(order + ((<usize>j) << 2));
        if (load<i32>(load<usize>(op, IN3) + ((<usize>row) << 2)) == i - stay) size += take(op, out, row);
      }
    }
    const share: f32 = 1 / size - 1;
    addScaled(out, out, share, (<usize>load<i32>(op, COLS)) << 2);
    store<f32>(load<usize>(op, OUT1) + ((<usize>i) << 2), size);
    store<f32>(load<usize>(op, OUT2) + ((<usize>i) << 2), factor * <f32>ln(<f64>size));
  }
}

/** order[k] = the even row of k-th largest cosine; equal ones in order. */
function rank(op: usize, even: i32, order: usize): void {
  const best = load<usize>(op, IN2);
  for (let i = 0; i < even; i++) {
    const s = load<f32>(best + ((<usize>i) << 3));
    let k = 0;
    for (let j = 0; j < even; j++) {
      const t = load<f32>(best + ((<usize>j) << 3));
      k += t > s || (t == s && j < i) ? 1 : 0;
    }
    store<i32>(order + ((<usize>k) << 2), i);
  }
}

/** Puts the rows that stay in order: marks those that flow behind the list, and reads off the rest. */
function ascending(order: usize, left: usize, even: i32, r: i32): void {
  const flows = order + ((<usize>even) << 2);
  memory.fill(flows, 0, <usize>even);
  for (let j = 0; j < r; j++) store<u8>(flows + <usize>load<i32>(order + ((<usize>j) << 2)), 1);
  for (let i = 0; i < even; i++) {
    if (load<u8>(flows + <usize>i)) continue;
    store<i32>(left, i);
    left += 4;
  }
}

function list(op: usize, order: usize, r: i32, even: i32): void {
  const out = load<usize>(op, OUT3),
    flowing = (<usize>r) << 2,
    staying = (<usize>(even - r)) << 2;
  memory.copy(out, order + flowing, staying);
  memory.copy(out + staying, order, flowing);
  for (let j: usize = 0; j < flowing; j += 4) {
    const row = <usize>load<i32>(order + j);
    store<i32>(out + staying + flowing + j, load<i32>(load<usize>(op, IN3) + (row << 3)));
  }
}

/** Adds row `row` times its size; returns the size. */
function take(op: usize, out: usize, row: i32): f32 {
  const size = load<f32>(load<usize>(op, IN1) + ((<usize>row) << 2));
  addScaled(out, load<usize>(op, IN0) + ((<usize>(row * load<i32>(op, P0))) << 2), size, (<usize>load<i32>(op, COLS)) << 2);
  return size;
}

/** Natural logarithm of x >= 1: 2^e m, and the series of atanh for m in 0.7 .. 1.42; right to 1e-9. */
function ln(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  let e = <i32>(bits >> 52) - 1023,
    m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m /= 2;
    e++;
  }
  const t = (m - 1) / (m + 1),
    z = t * t;
  return <f64>e * 0.6931471805599453 + 2 * t * (1 + z * (1 / 3.0 + z * (0.2 + z * (1 / 7.0 + z * (1 / 9.0 + z / 11.0)))));
}
