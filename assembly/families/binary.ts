// The walk of elementwise ops of two inputs: out[r, c] = F.of(in0[r, c], in1[r, c])
//
//   in0, in1  f32 [rows, cols]   rows: cell; rows lie P0 and P1 elements apart; P1 = 0: in1 is one row for all
//   out       f32 [rows, cols]   contiguous; may be in0
//   F         a class without fields whose `of` gets two vectors; it is called directly, with no object
//
// Elements are split over threads. A ragged end runs through the same vector code, one value at a time: same bits.

import { COLS, IN0, IN1, OUT, P0, P1, ROWS } from '../program.ts';
import { firstElement } from './span.ts';

export function binary<F>(op: usize, thread: i32, threads: i32): void {
  const cols = load<i32>(op, COLS);
  const total = load<i32>(load<usize>(op, ROWS)) * cols;
  const strideX = (<usize>load<i32>(op, P0)) << 2,
    strideY = (<usize>load<i32>(op, P1)) << 2;
  const f = changetype<F>(0);

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
    for (; i < vectors; i += 16) v128.store(out + i, f.of(v128.load(x + i), v128.load(y + i)));
    for (; i < bytes; i += 4) v128.store_lane<f32>(out + i, f.of(v128.load_splat<f32>(x + i), v128.load_splat<f32>(y + i)), 0);
    out += bytes;
    from += n;
  }
}
