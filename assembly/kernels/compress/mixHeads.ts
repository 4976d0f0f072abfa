// mixHeads: out[r, h] = sum over j < P1 of in0[r, h, j] * in1[r * P2 + j, h]
//
//   in0  f32 [rows, P0 * P1]          weights; rows: cell
//   in1  f32 [values, P0 * cols]      rows lie P3 elements apart
//   out  f32 [rows, P0 * cols]
//   P0 heads; COLS elements of a head, a multiple of 4; P1 values that a row mixes
//   P2   values from one row's first to the next's: 0 when all mix the same, P1 when each has its own
//
// Tiles of a head and 4 rows (1 row with values of its own) are split over threads. A sum runs over j in order, whatever the tile.

import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function mixHeads(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    heads = load<i32>(op, P0),
    keys = load<i32>(op, P1),
    step = load<i32>(op, P2);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    stride = (<usize>load<i32>(op, P3)) << 2;
  const weightBytes = (<usize>keys) << 2;
  const tile = step ? 1 : 4,
    tiles = (rows + tile - 1) / tile;

  const end = firstRow(heads * tiles, thread + 1, threads);
  for (let i = firstRow(heads * tiles, thread, threads); i < end; i++) {
    const h = i / tiles,
      r = (i - h * tiles) * tile;
    const weights = load<usize>(op, IN0) + <usize>(r * heads + h) * weightBytes,
      values = load<usize>(op, IN1) + <usize>(r * step) * stride + <usize>h * bytes,
      out = load<usize>(op, OUT) + <usize>(r * heads + h) * bytes;
    if (r + 4 <= rows && tile == 4)
      mixFour(weights, <usize>heads * weightBytes, weightBytes, values, stride, out, <usize>heads * bytes, bytes);
    else {
      for (let k = 0; k < min(tile, rows - r); k++) {
        mixOne(weights + <usize>(k * heads) * weightBytes, weightBytes, values, stride, out + <usize>(k * heads) * bytes, bytes);
      }
    }
  }
}

/** Rows at `next` and `outNext` bytes from each other over the same values. */
function mixFour(w: usize, next: usize, weightBytes: usize, values: usize, stride: usize, out: usize, outNext: usize, bytes: usize): void {
  const w1 = w + next,
    w2 = w1 + next,
    w3 = w2 + next;
  const out1 = out + outNext,
    out2 = out1 + outNext,
    out3 = out2 + outNext;
  const pairs = bytes & ~31;
  let c: usize = 0;
  for (; c < pairs; c += 32) {
    let a = f32x4.splat(0),
      a1 = a,
      b = a,
      b1 = a,
      d = a,
      d1 = a,
      e = a,
      e1 = a;
    let v = values + c;
    for (let j: usize = 0; j < weightBytes; j += 4) {
      const x = v128.load(v),
        y = v128.load(v, 16);
      let f = v128.load32_splat(w + j);
      a = f32x4.add(a, f32x4.mul(f, x));
      a1 = f32x4.add(a1, f32x4.mul(f, y));
      f = v128.load32_splat(w1 + j);
      b = f32x4.add(b, f32x4.mul(f, x));
      b1 = f32x4.add(b1, f32x4.mul(f, y));
      f = v128.load32_splat(w2 + j);
      d = f32x4.add(d, f32x4.mul(f, x));
      d1 = f32x4.add(d1, f32x4.mul(f, y));
      f = v128.load32_splat(w3 + j);
      e = f32x4.add(e, f32x4.mul(f, x));
      e1 = f32x4.add(e1, f32x4.mul(f, y));
      v += stride;
    }
    v128.store(out + c, a);
    v128.store(out + c, a1, 16);
    v128.store(out1 + c, b);
    v128.store(out1 + c, b1, 16);
    v128.store(out2 + c, d);
    v128.store(out2 + c, d1, 16);
    v128.store(out3 + c, e);
    v128.store(out3 + c, e1, 16);
  }
  if (c < bytes) {
    mixColumns(w, weightBytes, values + c, stride, out + c);
    mixColumns(w1, weightBytes, values + c, stride, out1 + c);
    mixColumns(w2, weightBytes, values + c, stride, out2 + c);
    mixColumns(w3, weightBytes, values + c, stride, out3 + c);
  }
}

function mixOne(w: usize, weightBytes: usize, values: usize, stride: usize, out: usize, bytes: usize): void {
  const blocks = bytes & ~63;
  let c: usize = 0;
  for (; c < blocks; c += 64) {
    let s0 = f32x4.splat(0),
      s1 = s0,
      s2 = s0,
      s3 = s0;
    let v = values + c;
    for (let j: usize = 0; j < weightBytes; j += 4) {
      const f = v128.load32_splat(w + j);
      s0 = f32x4.add(s0, f32x4.mul(f, v128.load(v)));
      s1 = f32x4.add(s1, f32x4.mul(f, v128.load(v, 16)));
      s2 = f32x4.add(s2, f32x4.mul(f, v128.load(v, 32)));
      s3 = f32x4.add(s3, f32x4.mul(f, v128.load(v, 48)));
      v += stride;
    }
    v128.store(out + c, s0);
    v128.store(out + c, s1, 16);
    v128.store(out + c, s2, 32);
    v128.store(out + c, s3, 48);
  }
  for (; c < bytes; c += 16) mixColumns(w, weightBytes, values + c, stride, out + c);
}

/** Four columns of one row. */
function mixColumns(w: usize, weightBytes: usize, v: usize, stride: usize, out: usize): void {
  let s = f32x4.splat(0);
  for (let j: usize = 0; j < weightBytes; j += 4) {
    s = f32x4.add(s, f32x4.mul(v128.load32_splat(w + j), v128.load(v)));
    v += stride;
  }
  v128.store(out, s);
}
