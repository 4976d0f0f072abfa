// rope: rotates pairs of each head's row by the angles of a table; elements from P2 on are copied (Su et al. 2021)
//
//   (a, b) -> (a cos - b sin, b cos + a sin), pair i of n = P2 / 2
//
//   in0   f32 [rows, heads * dim]   rows: cell; rows lie P4 elements apart
//   in1   f32 [rows, 2 n]           cos, then sin (ropeTable)
//   out   f32 [rows, heads * dim]
//   COLS dim; P0 heads; P2 rotary, even; P3 pairing: 0 pairs (i, i + n), 1 pairs (2i, 2i + 1)
//
// (row, head) pairs are split over threads.

import { COLS, IN0, IN1, OUT, P0, P2, P3, P4, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function rope(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    heads = load<i32>(op, P0),
    dim = load<i32>(op, COLS);
  const half = (<usize>load<i32>(op, P2)) << 1; // bytes of n values
  const interleaved = load<i32>(op, P3);
  const stride = (<usize>load<i32>(op, P4)) << 2,
    headBytes = (<usize>dim) << 2;

  const end = firstRow(rows * heads, thread + 1, threads);
  for (let i = firstRow(rows * heads, thread, threads); i < end; i++) {
    const r = i / heads,
      h = i - r * heads;
    const x = load<usize>(op, IN0) + <usize>r * stride + <usize>h * headBytes,
      y = load<usize>(op, OUT) + <usize>i * headBytes;
    const cos = load<usize>(op, IN1) + <usize>r * 2 * half;
    if (interleaved) rotateNeighbours(x, y, cos, half);
    else rotateHalves(x, y, cos, half);
    memory.copy(y + 2 * half, x + 2 * half, headBytes - 2 * half);
  }
}

function rotateHalves(x: usize, y: usize, cos: usize, half: usize): void {
  const vectors = half & ~15;
  let i: usize = 0;
  for (; i < vectors; i += 16) {
    const a = v128.load(x + i),
      b = v128.load(x + half + i),
      c = v128.load(cos + i),
      s = v128.load(cos + half + i);
    v128.store(y + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(y + half + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + i),
      b = load<f32>(x + half + i),
      c = load<f32>(cos + i),
      s = load<f32>(cos + half + i);
    store<f32>(y + i, a * c - b * s);
    store<f32>(y + half + i, b * c + a * s);
  }
}

function rotateNeighbours(x: usize, y: usize, cos: usize, half: usize): void {
  const vectors = half & ~15;
  let i: usize = 0;
  for (; i < vectors; i += 16) {
    const p = v128.load(x + 2 * i),
      q = v128.load(x + 2 * i, 16),
      c = v128.load(cos + i),
      s = v128.load(cos + half + i);
    const a = i8x16.shuffle(p, q, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    const b = i8x16.shuffle(p, q, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    const u = f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)),
      v = f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s));
    v128.store(y + 2 * i, i8x16.shuffle(u, v, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
    v128.store(y + 2 * i, i8x16.shuffle(u, v, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31), 16);
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + 2 * i),
      b = load<f32>(x + 2 * i, 4),
      c = load<f32>(cos + i),
      s = load<f32>(cos + half + i);
    store<f32>(y + 2 * i, a * c - b * s);
    store<f32>(y + 2 * i, b * c + a * s, 4);
  }
}
