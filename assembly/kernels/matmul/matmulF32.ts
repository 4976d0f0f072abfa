// matmulF32: out[r][o] = sum_k x[r][k] w[o][k] (+ bias[o]) (+ residual[r][o])
//
//   in0       f32 [rows, cols]         rows: cell
//   in1       packed-f32 [P0, cols]    groups of 8 rows: per column 8 values
//   out       f32 [rows, P0]           may be the residual
//   P0, P1                             outputs, bytes from one row of in0 to the next
//   P2, P3                             address of bias f32 [P0] or 0, address of residual f32 [rows, P0] or 0
//
// One sum per output, columns in order, plain mul and add: every tile shape and build gives the same bits.
// Groups of 8 outputs are split over threads.

import { CONSTANTS, constants, finish, rowsAtOnce } from '../../families/matmul.ts';
import { COLS, IN0, IN1, P0, P1, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function matmulF32(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = <usize>load<i32>(op, COLS);
  const groups = (load<i32>(op, P0) + 7) >> 3;
  const stride = load<usize>(op, P1);
  const c = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const sums = c + CONSTANTS;
  constants(c);

  const end = firstRow(groups, thread + 1, threads);
  const step = rowsAtOnce(stride);
  for (let first = 0; first < rows; first += step) {
    const count = min(step, rows - first);
    for (let g = firstRow(groups, thread, threads); g < end; g++) {
      const w = load<usize>(op, IN1) + <usize>g * cols * 32;
      let x = load<usize>(op, IN0) + <usize>first * stride;
      for (let r = 0; r < count; r++, x += stride) tile1(w, x, cols, sums + ((<usize>r) << 5));
      finish(op, g, first, count, sums);
    }
  }
}

function tile1(w: usize, x: usize, cols: usize, sums: usize): void {
  let f0 = f32x4.splat(0),
    f1 = f0;
  for (const end = w + cols * 32; w < end; w += 32, x += 4) {
    const v = v128.load32_splat(x);
    f0 = f32x4.add(f0, f32x4.mul(v128.load(w), v));
    f1 = f32x4.add(f1, f32x4.mul(v128.load(w, 16), v));
  }
  v128.store(sums, f0);
  v128.store(sums, f1, 16);
}
