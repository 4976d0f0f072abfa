import { OP_MIX_HEADS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { type HeadParams, headDim, headRows } from '../families/heads.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/**
 * Weighted sums of values, head by head: weights f32 [rows, heads * keys], v f32 [n, heads * dim] -> f32 [rows, heads * dim].
 * Row r mixes values r * step .. r * step + keys. The second half of attention whose weights are known.
 */
export const mixHeads: Op<HeadParams> = {
  name: 'mixHeads',
  opcode: OP_MIX_HEADS,

  outputs([weights, v], params) {
    needF32('mixHeads', weights!, v!);
    contiguous('mixHeads', weights!);
    headDim('mixHeads', v!, headRows('mixHeads', weights!, params.step), params);
    if (colsOf(weights!.shape) !== params.heads * params.keys) {
      throw new ShapeError(`mixHeads: needs ${params.heads} heads of ${params.keys} weights: got ${show(weights!)}`);
    }
    return [{ dtype: 'f32', shape: [rowsOf(weights!.shape), colsOf(v!.shape)] }];
  },

  cost([weights, v], { keys }, size) {
    const rows = size(rowsOf(weights!.shape));
    const cols = colsOf(v!.shape);
    return { macs: rows * keys * cols, bytes: 4 * (rows * colsOf(weights!.shape) + size(rowsOf(v!.shape)) * cols + rows * cols) };
  },

  encode(r, [weights, v], { heads, keys, step }) {
    r.dim(ROWS, rowsOf(weights!.shape));
    r.int(COLS, colsOf(v!.shape) / heads);
    r.int(P0, heads);
    r.int(P1, keys);
    r.int(P2, step);
    r.int(P3, v!.stride);
  },
};
