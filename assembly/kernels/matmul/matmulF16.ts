// matmulF16: out = x W^T (+ bias) (+ residual)
//
//   in0       f32 [rows, cols]         rows: cell
//   in1       packed-f16 [P0, cols]    groups of 8 rows: per column 8 half floats in the order 0 4 1 5 2 6 3 7
//             packed-bf16              the same with the high halves of floats
//   out       f32 [rows, P0]
//   P0..P3                             see families/matmul.ts, which walks over rows and groups
//   P4                                 packed layout (storage.ts)
//
// One sum per output, columns in order, plain mul and add: every tile shape and build gives the same bits, and those of matmulF32.

import { HALF_MASK, HALF_SCALE, halvesHigh, halvesLow } from '../../families/constants.ts';
import { matmul } from '../../families/matmul.ts';
import { P4 } from '../../program.ts';

export function matmulF16(op: usize, thread: i32, threads: i32): void {
  matmul(op, thread, threads, load<i32>(op, P4));
}

// Both kinds of 16-bit floats, as classes without fields: 4 values of 8, with the vectors HALF_MASK and HALF_SCALE.

export class Half {
  low(h: v128, mask: v128, scale: v128): v128 {
    return halvesLow(h, mask, scale);
  }
  high(h: v128, mask: v128, scale: v128): v128 {
    return halvesHigh(h, mask, scale);
  }
}

export class Brain {
  low(h: v128, _mask: v128, _scale: v128): v128 {
    return i32x4.shl(h, 16);
  }
  high(h: v128, mask: v128, _scale: v128): v128 {
    return v128.and(h, mask);
  }
}

/** Unpacks columns of a group into a panel for tileF32. */
export function unpackF16<F>(w: usize, cols: usize, panel: usize, c: usize): void {
  const f = changetype<F>(0);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + (cols << 4); w < end; w += 16, panel += 32) {
    const h = v128.load(w);
    v128.store(panel, f.low(h, halfMask, halfScale));
    v128.store(panel, f.high(h, halfMask, halfScale), 16);
  }
}

/** 2 groups of 8 outputs x 1 row: two sums at a time would wait for each other. */
export function rowF16<F>(w: usize, w1: usize, x: usize, cols: usize, sums: usize, sums1: usize, c: usize): void {
  let a = f32x4.splat(0),
    b = a,
    d = a,
    e = a;
  const f = changetype<F>(0);
  const halfMask = v128.load(c, HALF_MASK),
    halfScale = v128.load(c, HALF_SCALE);
  for (const end = w + (cols << 4); w < end; w += 16, w1 += 16, x += 4) {
    const v = v128.load32_splat(x),
      h = v128.load(w),
      i = v128.load(w1);
    a = f32x4.add(a, f32x4.mul(v, f.low(h, halfMask, halfScale)));
    b = f32x4.add(b, f32x4.mul(v, f.high(h, halfMask, halfScale)));
    d = f32x4.add(d, f32x4.mul(v, f.low(i, halfMask, halfScale)));
    e = f32x4.add(e, f32x4.mul(v, f.high(i, halfMask, halfScale)));
  }
  v128.store(sums, a);
  v128.store(sums, b, 16);
  v128.store(sums1, d);
  v128.store(sums1, e, 16);
}
