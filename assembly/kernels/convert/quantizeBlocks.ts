// quantizeBlocks: rows of floats -> the block types of GGUF files whose scales are searched for, byte for byte as llama.cpp writes them
//
//   in0       f32 [rows, cols]
//   in1       f32 [cols]        importance of each column: how much its errors count; only with P1
//   out       u8 [rows, P2]     blocks as files hold them
//   P0        type (storage.ts: the number of its packed layout)
//   P1        1: by importance. Q4_0, Q4_1, Q5_0 and Q5_1 are searched for only then.
//   P2        bytes of a stored row
//   P3        1: IQ4_NL without a search
//
// Rows are split over threads.

import { blocks32 } from '../../families/search/blocks32.ts';
import { blockIQ4XS, blocksIQ4NL, putTables } from '../../families/search/curved.ts';
import { squaresOf } from '../../families/search/scalar.ts';
import { blockQ2K, blockQ3K, blockQ6K, blockQ45K } from '../../families/search/superBlocks.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';
import {
  PACKED_IQ4_NL,
  PACKED_IQ4_XS,
  PACKED_Q2_K,
  PACKED_Q3_K,
  PACKED_Q4_1,
  PACKED_Q4_K,
  PACKED_Q5_0,
  PACKED_Q5_1,
  PACKED_Q5_K,
  PACKED_Q6_K,
} from '../../storage.ts';

export function quantizeBlocks(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = load<i32>(op, COLS);
  const type = load<i32>(op, P0);
  const weighted = load<i32>(op, P1) != 0;
  const bytes = load<usize>(op, P2);
  const s = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const blocks = cols >> 5;
  if (type == PACKED_IQ4_NL || type == PACKED_IQ4_XS) putTables(s);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const x = load<usize>(op, IN0) + 4 * <usize>r * <usize>cols;
    const to = load<usize>(op, OUT) + <usize>r * bytes;
    memory.fill(to, 0, bytes);
    const mean: f32 = type < PACKED_Q4_K ? squaresOf(x, cols) / <f32>cols : 0;
    for (let b = 0; b < blocks; b += 8) {
      const v = x + 128 * b;
      const w = weighted ? load<usize>(op, IN1) + 128 * b : 0;
      const at = to + (bytes * <usize>b) / <usize>blocks;
      switch (type) {
        case PACKED_Q2_K:
          blockQ2K(v, w, at, s);
          break;
        case PACKED_Q3_K:
          blockQ3K(v, w, at, s);
          break;
        case PACKED_Q4_K:
          blockQ45K(v, w, at, s, false);
          break;
        case PACKED_Q5_K:
          blockQ45K(v, w, at, s, true);
          break;
        case PACKED_Q6_K:
          blockQ6K(v, w, at, s);
          break;
        case PACKED_IQ4_XS:
          blockIQ4XS(v, w, at, s);
          break;
        case PACKED_IQ4_NL:
          blocksIQ4NL(v, w, min(8, blocks - b), at, s, load<i32>(op, P3) != 0);
          break;
        default:
          blocks32(
            v,
            w,
            mean,
            min(8, blocks - b),
            at,
            s,
            type == PACKED_Q5_0 || type == PACKED_Q5_1,
            type == PACKED_Q4_1 || type == PACKED_Q5_1,
          );
          break;
      }
    }
  }
}
