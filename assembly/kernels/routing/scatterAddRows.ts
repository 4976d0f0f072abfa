// scatterAddRows: out = in0 (or zeros), then out[in2[i]] += in3[in2[i]] * in1[i] for each i
//
//   in0  f32 [P2, cols]     P2: cell; contiguous, not read when P0 is 1
//   in1  f32 [n, cols]      n: cell (ROWS)
//   in2  i32 [n, 1]         rows of in0, each at most once
//   in3  f32 [P2, 1]        rows lie P1 elements apart
//   out  f32 [P2, cols]     may be in0
//   P0 0: begin with in0, 1: begin with zeros
//
// Columns are split over threads: a thread copies what it adds to, and the sums do not depend on the number of threads.

import { COLS, IN0, IN1, IN2, IN3, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

/** Bytes that are not split: a cache line. */
const LINE: usize = 64;

export function scatterAddRows(op: usize, thread: i32, threads: i32): void {
  const n = load<i32>(load<usize>(op, ROWS));
  const bytes = (<usize>load<i32>(op, COLS)) << 2;
  const lines = <i32>((bytes + LINE - 1) / LINE);
  const from = min(<usize>firstRow(lines, thread, threads) * LINE, bytes);
  const width = min(<usize>firstRow(lines, thread + 1, threads) * LINE, bytes) - from;
  if (width === 0) return;
  const out = load<usize>(op, OUT) + from,
    y = load<usize>(op, IN1) + from;
  const index = load<usize>(op, IN2),
    weights = load<usize>(op, IN3),
    stride = (<usize>load<i32>(op, P1)) << 2;

  begin(op, out, from, width, bytes);
  const vectors = width & ~15;
  for (let i = 0; i < n; i++) {
    const r = <usize>load<i32>(index + ((<usize>i) << 2));
    const w = v128.load_splat<f32>(weights + r * stride);
    const to = out + r * bytes,
      x = y + <usize>i * bytes;
    let c: usize = 0;
    for (; c < vectors; c += 16) v128.store(to + c, f32x4.add(v128.load(to + c), f32x4.mul(w, v128.load(x + c))));
    for (; c < width; c += 4) store<f32>(to + c, load<f32>(to + c) + f32x4.extract_lane(w, 0) * load<f32>(x + c));
  }
}

/** Gives `width` bytes of every row their first value. */
function begin(op: usize, out: usize, from: usize, width: usize, bytes: usize): void {
  const have = load<i32>(load<usize>(op, P2));
  const start = load<usize>(op, IN0) + from;
  if (load<i32>(op, P0) !== 0) {
    for (let r: usize = 0; r < <usize>have; r++) memory.fill(out + r * bytes, 0, width);
  } else if (start !== out) {
    for (let r: usize = 0; r < <usize>have; r++) memory.copy(out + r * bytes, start + r * bytes, width);
  }
}
