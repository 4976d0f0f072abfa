// layerNorm: out[r, g] = (in0[r, g] - mean) / sqrt(variance + eps) * weight[g] + bias[g], for each of the groups of columns
//
//   in0  f32 [rows, groups * cols]   rows: cell; rows lie P1 elements apart
//   out  f32 [rows, groups * cols]   contiguous; may be in0
//   in1  f32 [groups * cols]         weight
//   in2  f32 [groups * cols]         bias; address 0: none
//   P0   f32                         eps
//   P2   groups
//
// The variance is the mean of (x - mean)², taken in a second pass: one pass over x and x² would cancel where the mean is large.
// Rows are split over threads. The sums run over 4 accumulators in a fixed order, so that every build gives the same bits.

import { COLS, IN0, IN1, IN2, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function layerNorm(op: usize, thread: i32, threads: i32): void {
  const groups = load<i32>(op, P2);
  const cols = load<i32>(op, COLS);
  const bytes = (<usize>cols) << 2,
    stride = (<usize>load<i32>(op, P1)) << 2;
  const bias = load<usize>(op, IN2);
  const units = load<i32>(load<usize>(op, ROWS)) * groups;

  const end = firstRow(units, thread + 1, threads);
  for (let i = firstRow(units, thread, threads); i < end; i++) {
    const r = i / groups,
      at = <usize>(i - r * groups) * bytes;
    const x = load<usize>(op, IN0) + <usize>r * stride + at;
    const y = load<usize>(op, OUT) + <usize>i * bytes;
    const mean = sum(x, bytes) / <f32>cols;
    const factor = <f32>1 / sqrt<f32>(squares(x, bytes, mean) / <f32>cols + load<f32>(op, P0));
    weigh(y, x, bytes, mean, factor, load<usize>(op, IN1) + at);
    if (bias) shift(y, bytes, bias + at);
  }
}

/** y = (x - mean) * factor * weight */
function weigh(y: usize, x: usize, bytes: usize, mean: f32, factor: f32, weight: usize): void {
  const vectors = bytes & ~15;
  const m = f32x4.splat(mean),
    s = f32x4.splat(factor);
  let i: usize = 0;
  for (; i < vectors; i += 16) v128.store(y + i, f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + i), m), s), v128.load(weight + i)));
  for (; i < bytes; i += 4) store<f32>(y + i, (load<f32>(x + i) - mean) * factor * load<f32>(weight + i));
}

/** y += bias */
function shift(y: usize, bytes: usize, bias: usize): void {
  const vectors = bytes & ~15;
  let i: usize = 0;
  for (; i < vectors; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(bias + i)));
  for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(y + i) + load<f32>(bias + i));
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
