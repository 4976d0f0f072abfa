// rmsNorm: out[r] = in0[r] * weight / sqrt(mean(in0[r]^2) + eps)
//
//   in0, out  f32 [rows, cols]   rows: cell; out may be in0
//   in1       f32 [cols]         weight
//   P0        f32                eps
//
// Rows are split over threads. The sum runs over 4 accumulators in a fixed order, so that every build gives the same bits.

import { COLS, IN0, IN1, OUT, P0, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function rmsNorm(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const bytes = (<usize>cols) << 2;
  const weight = load<usize>(op, IN1);
  const eps = load<f32>(op, P0);
  const blocks = bytes & ~63;
  const vectors = bytes & ~15;

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * bytes;
    const y = load<usize>(op, OUT) + <usize>r * bytes;

    let s0 = f32x4.splat(0),
      s1 = s0,
      s2 = s0,
      s3 = s0;
    let i: usize = 0;
    for (; i < blocks; i += 64) {
      const a = v128.load(x + i),
        b = v128.load(x + i, 16),
        c = v128.load(x + i, 32),
        d = v128.load(x + i, 48);
      s0 = f32x4.add(s0, f32x4.mul(a, a));
      s1 = f32x4.add(s1, f32x4.mul(b, b));
      s2 = f32x4.add(s2, f32x4.mul(c, c));
      s3 = f32x4.add(s3, f32x4.mul(d, d));
    }
    const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
    let sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
    for (; i < bytes; i += 4) sum += load<f32>(x + i) * load<f32>(x + i);

    const factor = <f32>1 / sqrt<f32>(sum / <f32>cols + eps);
    const scale = f32x4.splat(factor);
    for (i = 0; i < vectors; i += 16) {
      v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), scale), v128.load(weight + i)));
    }
    for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * factor * load<f32>(weight + i));
  }
}
