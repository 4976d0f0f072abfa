// sampleRows: out[r] = sum over t < P1 of in2[r, t] * in0[in1[r, t]]
//
//   in0  f32 [P2, cols]       P2: cell; rows lie P0 elements apart
//   in1  i32 [rows, P1]       rows: cell; an index outside in0 adds nothing
//   in2  f32 [rows, P1]       weights
//   out  f32 [rows, cols]
//
// Resizes maps of rows (tables of positions) and reads them between their points. Rows are split over threads; taps are added in order.

import { COLS, IN0, IN1, IN2, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function sampleRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    taps = load<i32>(op, P1);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;
  const have = load<u32>(load<usize>(op, P2));
  const x = load<usize>(op, IN0);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const first = (<usize>(r * taps)) << 2;
    const index = load<usize>(op, IN1) + first,
      weights = load<usize>(op, IN2) + first,
      last = index + ((<usize>taps) << 2);
    sampleRow(x, stride, have, index, last, weights, load<usize>(op, OUT) + <usize>r * bytes, bytes);
  }
}

function sampleRow(x: usize, stride: usize, have: u32, index: usize, last: usize, weights: usize, out: usize, bytes: usize): void {
  const blocks = bytes & ~63,
    vectors = bytes & ~15;
  let c: usize = 0;
  for (; c < blocks; c += 64) {
    let s0 = f32x4.splat(0),
      s1 = s0,
      s2 = s0,
      s3 = s0;
    for (let i = index, w = weights; i < last; i += 4, w += 4) {
      const at = load<u32>(i);
      if (at >= have) continue;
      const row = x + <usize>at * stride + c,
        f = v128.load32_splat(w);
      s0 = f32x4.add(s0, f32x4.mul(f, v128.load(row)));
      s1 = f32x4.add(s1, f32x4.mul(f, v128.load(row, 16)));
      s2 = f32x4.add(s2, f32x4.mul(f, v128.load(row, 32)));
      s3 = f32x4.add(s3, f32x4.mul(f, v128.load(row, 48)));
    }
    v128.store(out + c, s0);
    v128.store(out + c, s1, 16);
    v128.store(out + c, s2, 32);
    v128.store(out + c, s3, 48);
  }
  for (; c < vectors; c += 16) {
    let s = f32x4.splat(0);
    for (let i = index, w = weights; i < last; i += 4, w += 4) {
      const at = load<u32>(i);
      if (at < have) s = f32x4.add(s, f32x4.mul(v128.load32_splat(w), v128.load(x + <usize>at * stride + c)));
    }
    v128.store(out + c, s);
  }
  for (; c < bytes; c += 4) {
    let s: f32 = 0;
    for (let i = index, w = weights; i < last; i += 4, w += 4) {
      const at = load<u32>(i);
      if (at < have) s += load<f32>(w) * load<f32>(x + <usize>at * stride + c);
    }
    store<f32>(out + c, s);
  }
}
