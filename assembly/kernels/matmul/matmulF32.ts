// matmulF32: out = x W^T (+ bias) (+ residual)
//
//   in0       f32 [rows, cols]         rows: cell
//   in1       packed-f32 [P0, cols]    groups of 8 rows: per column 8 values
//   out       f32 [rows, P0]
//   P0..P3                             see families/matmul.ts, which walks over rows and groups
//
// One sum per output, columns in order, plain mul and add: every tile shape and build gives the same bits.

import { matmul } from '../../families/matmul.ts';
import { PACKED_F32 } from '../../storage.ts';

export function matmulF32(op: usize, thread: i32, threads: i32): void {
  matmul(op, thread, threads, PACKED_F32);
}

/** 8 outputs x 4 rows; a row's values stand `step` bytes apart. */
export function tileF32(w: usize, x: usize, stride: usize, step: usize, cols: usize, sums: usize): void {
  let x0 = x,
    x1 = x + stride,
    x2 = x1 + stride,
    x3 = x2 + stride;
  let a0 = v128.load(sums),
    a1 = v128.load(sums, 32),
    a2 = v128.load(sums, 64),
    a3 = v128.load(sums, 96);
  let b0 = v128.load(sums, 16),
    b1 = v128.load(sums, 48),
    b2 = v128.load(sums, 80),
    b3 = v128.load(sums, 112);
  for (const end = w + (cols << 5); w < end; w += 32, x0 += step, x1 += step, x2 += step, x3 += step) {
    const p = v128.load(w),
      q = v128.load(w, 16);
    let v = v128.load32_splat(x0);
    a0 = f32x4.add(a0, f32x4.mul(v, p));
    b0 = f32x4.add(b0, f32x4.mul(v, q));
    v = v128.load32_splat(x1);
    a1 = f32x4.add(a1, f32x4.mul(v, p));
    b1 = f32x4.add(b1, f32x4.mul(v, q));
    v = v128.load32_splat(x2);
    a2 = f32x4.add(a2, f32x4.mul(v, p));
    b2 = f32x4.add(b2, f32x4.mul(v, q));
    v = v128.load32_splat(x3);
    a3 = f32x4.add(a3, f32x4.mul(v, p));
    b3 = f32x4.add(b3, f32x4.mul(v, q));
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 32);
  v128.store(sums, a2, 64);
  v128.store(sums, a3, 96);
  v128.store(sums, b0, 16);
  v128.store(sums, b1, 48);
  v128.store(sums, b2, 80);
  v128.store(sums, b3, 112);
}

/** 8 outputs x 1 row. */
export function rowF32(w: usize, x: usize, step: usize, cols: usize, sums: usize): void {
  let a = v128.load(sums),
    b = v128.load(sums, 16);
  for (const end = w + (cols << 5); w < end; w += 32, x += step) {
    const v = v128.load32_splat(x);
    a = f32x4.add(a, f32x4.mul(v, v128.load(w)));
    b = f32x4.add(b, f32x4.mul(v, v128.load(w, 16)));
  }
  v128.store(sums, a);
  v128.store(sums, b, 16);
}
