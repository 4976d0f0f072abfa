// patchRows: out[py * (cols/P2) + px, (c * P2 + ky) * P2 + kx] = in0[c, py * P2 + ky, px * P2 + kx]
//
//   in0  f32 [P0, P1, cols]          channels, height, width
//   out  f32 [rows, P0 * P2 * P2]    rows: cell, (P1/P2) * (cols/P2)
//   P2   side of a patch; height and width are multiples of it
//
// Patches are split over threads.

import { copyElements } from '../../families/copyWindow.ts';
import { COLS, IN0, OUT, P0, P1, P2, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function patchRows(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const channels = load<i32>(op, P0),
    height = load<i32>(op, P1),
    width = load<i32>(op, COLS),
    patch = load<i32>(op, P2);
  const across = width / patch;
  const bytes = (<usize>patch) << 2,
    line = (<usize>width) << 2,
    plane = line * <usize>height;

  const end = firstRow(rows, thread + 1, threads);
  let row = firstRow(rows, thread, threads);
  let out = load<usize>(op, OUT) + <usize>row * <usize>channels * <usize>patch * bytes;
  for (; row < end; row++) {
    const py = row / across,
      px = row - py * across;
    let corner = load<usize>(op, IN0) + <usize>(py * patch) * line + <usize>px * bytes;
    for (let c = 0; c < channels; c++) {
      for (let ky = 0; ky < patch; ky++) {
        copyElements(out, corner + <usize>ky * line, bytes);
        out += bytes;
      }
      corner += plane;
    }
  }
}
