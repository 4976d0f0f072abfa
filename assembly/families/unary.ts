// The walk of elementwise ops of one input: out[r, c] = F.of(in0[r, c])
//
//   in0  f32 [rows, cols]   rows: cell; rows lie P0 elements apart
//   out  f32 [rows, cols]   contiguous; may be in0
//   F    a class without fields, so that its methods are called directly, with no object: `prepare` writes constants to the
//        thread's scratch, `of` loads them (a literal in a loop is rebuilt by V8 at each use, see exp.ts)
//
// Elements are split over threads. A ragged end runs through the same vector code, one value at a time: same bits.

import { COLS, IN0, OUT, P0, ROWS, SCRATCH, SCRATCH_STRIDE } from '../program.ts';
import { firstElement } from './span.ts';

export function unary<F>(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  const total = load<i32>(load<usize>(op, ROWS)) * cols;
  const stride = (<usize>load<i32>(op, P0)) << 2;
  const e = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const f = changetype<F>(0);
  f.prepare(op, e);

  const to = firstElement(total, thread + 1, threads);
  let from = firstElement(total, thread, threads);
  let out = load<usize>(op, OUT) + ((<usize>from) << 2);
  while (from < to) {
    const r = from / cols,
      c = from - r * cols;
    const x = load<usize>(op, IN0) + <usize>r * stride + ((<usize>c) << 2);
    const n = min(cols - c, to - from);
    const bytes = (<usize>n) << 2,
      vectors = bytes & ~15;
    let i: usize = 0;
    for (; i < vectors; i += 16) v128.store(out + i, f.of(v128.load(x + i), e));
    for (; i < bytes; i += 4) v128.store_lane<f32>(out + i, f.of(v128.load_splat<f32>(x + i), e), 0);
    out += bytes;
    from += n;
  }
}
