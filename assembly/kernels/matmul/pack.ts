// pack: rows as they stand in a file -> the packed layout of a weight (see the matmul kernels)
//
//   in0       u8            stored rows, P3 bytes each; rows: cell, a multiple of 8 except for the last piece
//   in1       packed-*      destination, filled from row P2 (cell, a multiple of 8) on
//   P0, P1                  storage type and packed layout (storage.ts)
//
// Floats are rounded to f16, and quantized to q8 and q4 as GGUF's Q8_0 and Q4_0 are.
// Rows that are missing in the last group of 8 become zeros. Groups are split over threads.

import { blockAt } from '../../families/blocks.ts';
import { Q4_GROUP, Q8_GROUP } from '../../families/layouts.ts';
import { packF16, packF32, packQ4, packQ8 } from '../../families/pack.ts';
import { packBlocks } from '../../families/packBlocks.ts';
import { COLS, IN0, IN1, P0, P1, P2, P3, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { FROM_F16, PACKED_BF16, PACKED_F16, PACKED_F32, PACKED_Q4, PACKED_Q8 } from '../../storage.ts';

export function pack(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = <usize>load<i32>(op, COLS);
  const from = load<i32>(op, P0);
  const bytes = load<usize>(op, P3);
  const spare = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const groups = (rows + 7) >> 3;
  const firstGroup = <usize>load<i32>(load<usize>(op, P2)) >> 3;

  const end = firstRow(groups, thread + 1, threads);
  for (let g = firstRow(groups, thread, threads); g < end; g++) {
    const x = load<usize>(op, IN0) + <usize>g * 8 * bytes;
    const w = load<usize>(op, IN1);
    const at = (firstGroup + <usize>g) * cols;
    const count = <usize>min(8, rows - g * 8);
    switch (load<i32>(op, P1)) {
      case PACKED_F32:
        packF32(x, bytes, count, from, w + at * 32, cols, spare);
        break;
      case PACKED_BF16:
        // Only what is bf16 already: its bits, as half floats are copied.
        packF16(x, bytes, count, FROM_F16, w + at * 16, cols, spare);
        break;
      case PACKED_F16:
        packF16(x, bytes, count, from, w + at * 16, cols, spare);
        break;
      case PACKED_Q8:
        packQ8(x, bytes, count, from, w + (at >> 5) * Q8_GROUP, cols >> 5, spare);
        break;
      case PACKED_Q4:
        packQ4(x, bytes, count, from, w + (at >> 5) * Q4_GROUP, cols >> 5, spare);
        break;
      default:
        packBlocks(load<i32>(op, P1), x, bytes, count, w + blockAt(load<i32>(op, P1), at >> 5), cols >> 5, spare);
        break;
    }
  }
}
