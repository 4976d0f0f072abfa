// softmax: out[r] = exp(P1 * (in0[r] - max in0[r])) / sum
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   out  f32 [rows, cols]   contiguous; may be in0
//   P1   f32                scale
//
// Weights below e^-87 of the largest are 0, never denormal. A row whose largest value is -Infinity, or that holds NaN, gives NaN.
// Rows are split over threads. The sum has one accumulator of 4 lanes: exp takes far longer than the chain of adds.

import { expConstants, expF32x4 } from '../../exp.ts';
import { largest } from '../../families/largest.ts';
import { COLS, IN0, OUT, P0, P1, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function softmax(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P0)) << 2;
  const vectors = bytes & ~15;
  const e = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const k = v128.load_splat<f32>(op, P1);
  expConstants(e, -87);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + <usize>r * stride;
    const y = load<usize>(op, OUT) + <usize>r * bytes;
    const m = f32x4.splat(largest(x, bytes));

    let sums = f32x4.splat(0);
    let i: usize = 0;
    for (; i < vectors; i += 16) {
      const z = expF32x4(f32x4.mul(f32x4.sub(v128.load(x + i), m), k), e);
      sums = f32x4.add(sums, z);
      v128.store(y + i, z);
    }
    let sum = f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1) + (f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3));
    for (; i < bytes; i += 4) {
      const z = f32x4.extract_lane(expF32x4(f32x4.mul(f32x4.sub(v128.load_splat<f32>(x + i), m), k), e), 0);
      sum += z;
      store<f32>(y + i, z);
    }

    const factor = <f32>1 / sum;
    const f = f32x4.splat(factor);
    for (i = 0; i < vectors; i += 16) v128.store(y + i, f32x4.mul(v128.load(y + i), f));
    for (; i < bytes; i += 4) store<f32>(y + i, load<f32>(y + i) * factor);
  }
}
