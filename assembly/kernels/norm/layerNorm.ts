// layerNorm: out[r] = (in0[r] - mean) / sqrt(variance + eps) * weight + bias
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P1 elements apart
//   out  f32 [rows, cols]   contiguous; may be in0
//   in1  f32 [cols]         weight
//   in2  f32 [cols]         bias
//   P0   f32                eps
//
// The variance is the mean of (x - mean)², taken in a second pass: one pass over x and x² would cancel where the mean is large.
// Rows are split over threads. The sums run over 4 accumulators in a fixed order, so that every build gives the same bits.

import { COLS, IN0, IN1, IN2, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function layerNorm(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const bytes = (<usize>cols) << 2,
    stride = (<usize>load<i32>(op, P1)) << 2;
  const weight = load<usize>(op, IN1),
    bias = load<usize>(op, IN2);
  const vectors = bytes & ~15;

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * stride;
    const y = load<usize>(op, OUT) + <usize>r * bytes;
    const mean = sum(x, bytes) / <f32>cols;
    const factor = <f32>1 / sqrt<f32>(squares(x, bytes, mean) / <f32>cols + load<f32>(op, P0));

    const m = f32x4.splat(mean),
      s = f32x4.splat(factor);
    let i: usize = 0;
    for (; i < vectors; i += 16) {
      const z = f32x4.mul(f32x4.sub(v128.load(x + i), m), s);
      v128.store(y + i, f32x4.add(f32x4.mul(z, v128.load(weight + i)), v128.load(bias + i)));
    }
    for (; i < bytes; i += 4) store<f32>(y + i, (load<f32>(x + i) - mean) * factor * load<f32>(weight + i) + load<f32>(bias + i));
  }
}

function sum(x: usize, bytes: usize): f32 {
  const blocks = bytes & ~63;
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0;
  let i: usize = 0;
  for (; i < blocks; i += 64) {
    s0 = f32x4.add(s0, v128.load(x + i));
    s1 = f32x4.add(s1, v128.load(x + i, 16));
    s2 = f32x4.add(s2, v128.load(x + i, 32));
    s3 = f32x4.add(s3, v128.load(x + i, 48));
  }
  let s = lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  for (; i < bytes; i += 4) s += load<f32>(x + i);
  return s;
}

function squares(x: usize, bytes: usize, mean: f32): f32 {
  const blocks = bytes & ~63;
  const m = f32x4.splat(mean);
  let s0 = f32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0;
  let i: usize = 0;
  for (; i < blocks; i += 64) {
    const a = f32x4.sub(v128.load(x + i), m),
      b = f32x4.sub(v128.load(x + i, 16), m);
    const c = f32x4.sub(v128.load(x + i, 32), m),
      d = f32x4.sub(v128.load(x + i, 48), m);
    s0 = f32x4.add(s0, f32x4.mul(a, a));
    s1 = f32x4.add(s1, f32x4.mul(b, b));
    s2 = f32x4.add(s2, f32x4.mul(c, c));
    s3 = f32x4.add(s3, f32x4.mul(d, d));
  }
  let s = lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  for (; i < bytes; i += 4) {
    const d = load<f32>(x + i) - mean;
    s += d * d;
  }
  return s;
}

function lanes(s: v128): f32 {
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}
