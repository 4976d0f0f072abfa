// The walk of elementwise gated ops: out[r, c] = F.of(in0[r, c]) * in1[r, c]
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   in1  f32 [rows, cols]   rows lie P1 elements apart
//   out  f32 [rows, cols]   contiguous; may be in0
//   F    a class without fields, so that its methods are called directly, with no object: `prepare` writes constants to the
//        thread's scratch, `of` loads them (a literal in a loop is rebuilt by V8 at each use, see exp.ts)
//
// Elements are split over threads. A ragged end runs through the same vector code, one value at a time: same bits.

import { COLS, IN0, IN1, OUT, P0, P1, ROWS, SCRATCH, SCRATCH_STRIDE } from '../program.ts';
import { firstElement } from './span.ts';

export function gated<F>(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  const total = load<i32>(load<usize>(op, ROWS)) * cols;
  const strideX = (<usize>load<i32>(op, P0)) << 2,
    strideY = (<usize>load<i32>(op, P1)) << 2;
  const e = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const f = changetype<F>(0);
  f.prepare(op, e);

  const to = firstElement(total, thread + 1, threads);
  let from = firstElement(total, thread, threads);
  let out = load<usize>(op, OUT) + ((<usize>from) << 2);
  while (from < to) {
    const r = from / cols,
      c = from - r * cols;
    const x = load<usize>(op, IN0) + <usize>r * strideX + ((<usize>c) << 2);
    const y = load<usize>(op, IN1) + <usize>r * strideY + ((<usize>c) << 2);
    const n = min(cols - c, to - from);
    const bytes = (<usize>n) << 2,
      vectors = bytes & ~15;
    let i: usize = 0;
    for (; i < vectors; i += 16) v128.store(out + i, f32x4.mul(f.of(v128.load(x + i), e), v128.load(y + i)));
    for (; i < bytes; i += 4)
      v128.store_lane<f32>(out + i, f32x4.mul(f.of(v128.load_splat<f32>(x + i), e), v128.load_splat<f32>(y + i)), 0);
    out += bytes;
    from += n;
  }
}
