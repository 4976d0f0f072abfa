// matmulBlocks: out = x W^T (+ bias) (+ residual), w = d scale (level - zero) - dmin min, or what a table says: GGUF's block types
//
//   in0       q8 [rows, cols]          rows: cell; q8-256 for types in super-blocks of 256 columns; see quantizeRows
//   in1       packed-* [P0, cols]      families/blocks.ts: Q4_1 Q5_0 Q5_1 IQ4_NL Q4_K Q5_K IQ4_XS Q6_K Q3_K Q2_K
//   out       f32 [rows, P0]
//   P0..P3                             see families/matmul.ts, which walks over rows and groups
//   P4                                 packed layout (storage.ts)
//
// Blocks of 32: sum += float(integer dot) * (d_w * d_x); mins times sums of activations have a sum of their own, which is added at the end.
// Super-blocks: isum += integer dot * scale, msum += sum of activations * min; then sum += float(isum) * (d_w * d_x), sum -= float(msum) * (dmin_w * d_x).
// Every tile shape and build gives the same bits.

import { matmul } from '../../families/matmul.ts';
import { P4 } from '../../program.ts';

export function matmulBlocks(op: usize, thread: i32, threads: i32): void {
  matmul(op, thread, threads, load<i32>(op, P4));
}
