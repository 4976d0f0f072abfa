// headScores: out[r, h, j] = in0[r, h] . in1[r * P2 + j, h]    for j < P1
//
//   in0  f32 [rows, P0 * cols]         queries; rows: cell; rows lie P3 elements apart
//   in1  f32 [keys, P0 * cols]         keys; rows lie P4 elements apart
//   out  f32 [rows, P0 * P1]
//   P0 heads; COLS elements of a head, a multiple of 4; P1 keys that a query sees
//   P2   keys from one query's first to the next's: 0 when all see the same, P1 when each has its own
//
// Pairs of query and head are split over threads.

import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, P4, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function headScores(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    heads = load<i32>(op, P0),
    keys = load<i32>(op, P1),
    step = load<i32>(op, P2);
  const bytes = (<usize>load<i32>(op, COLS)) << 2,
    queryBytes = (<usize>load<i32>(op, P3)) << 2,
    keyBytes = (<usize>load<i32>(op, P4)) << 2;

  const end = firstRow(rows * heads, thread + 1, threads);
  for (let i = firstRow(rows * heads, thread, threads); i < end; i++) {
    const r = i / heads,
      column = <usize>(i - r * heads) * bytes;
    const q = load<usize>(op, IN0) + <usize>r * queryBytes + column,
      out = load<usize>(op, OUT) + ((<usize>(i * keys)) << 2);
    let k = load<usize>(op, IN1) + <usize>(r * step) * keyBytes + column;
    let j = 0;
    for (; j + 4 <= keys; j += 4) {
      fourScores(q, k, keyBytes, bytes, out + ((<usize>j) << 2));
      k += 4 * keyBytes;
    }
    for (; j < keys; j++) {
      store<f32>(out + ((<usize>j) << 2), dot(q, k, bytes));
      k += keyBytes;
    }
  }
}

function fourScores(q: usize, k: usize, keyBytes: usize, bytes: usize, out: usize): void {
  const k1 = k + keyBytes,
    k2 = k1 + keyBytes,
    k3 = k2 + keyBytes;
  let a = f32x4.splat(0),
    b = a,
    c = a,
    d = a;
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(q + i);
    a = f32x4.add(a, f32x4.mul(x, v128.load(k + i)));
    b = f32x4.add(b, f32x4.mul(x, v128.load(k1 + i)));
    c = f32x4.add(c, f32x4.mul(x, v128.load(k2 + i)));
    d = f32x4.add(d, f32x4.mul(x, v128.load(k3 + i)));
  }
  // Two rounds of pairs: the lanes of a sum are added as in `dot`.
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7)),
    cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  v128.store(out, f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7)));
}

function dot(q: usize, k: usize, bytes: usize): f32 {
  let s = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) s = f32x4.add(s, f32x4.mul(v128.load(q + i), v128.load(k + i)));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 2) + (f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 3));
}
