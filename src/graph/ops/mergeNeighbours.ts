import { OP_MERGE_NEIGHBOURS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, P5, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { fixedRows, needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { type Cell, colsOf, maxOf, maxSize, rowsOf, show } from '../tensor.ts';

/**
 * Chosen rows plus the weighted sums of those most like them, and one row that sums up all that are not chosen (PruMerge):
 * x f32 [n, cols], keys f32 [n, width], weights f32 of n values, chosen i32 [count, 1] -> f32 [merged, cols], merged = count + 1.
 */
export const mergeNeighbours: Op<{ neighbours: number; merged: Cell }> = {
  name: 'mergeNeighbours',
  opcode: OP_MERGE_NEIGHBOURS,

  outputs([x, keys, weights, chosen], { neighbours, merged }) {
    needF32('mergeNeighbours', x!, keys!, weights!);
    contiguous('mergeNeighbours', weights!, chosen!);
    const n = fixedRows('mergeNeighbours', x!);
    if (fixedRows('mergeNeighbours', keys!) !== n || maxSize(weights!.shape) !== n)
      throw new ShapeError(`mergeNeighbours: rows must agree: got ${show(x!)}, ${show(keys!)} and ${show(weights!)}`);
    if (chosen!.dtype !== 'i32' || colsOf(chosen!.shape) !== 1)
      throw new ShapeError(`mergeNeighbours: chosen rows must be i32[n, 1]: got ${show(chosen!)}`);
    if (!(neighbours >= 0 && neighbours < n))
      throw new ShapeError(`mergeNeighbours: neighbours must be fewer than rows: got ${neighbours} for ${show(x!)}`);
    return [{ dtype: 'f32', shape: [merged, colsOf(x!.shape)] }];
  },

  cost([x, keys, , chosen], { neighbours }, size) {
    const count = size(rowsOf(chosen!.shape));
    const n = maxOf(rowsOf(x!.shape));
    const cols = colsOf(x!.shape);
    return { macs: count * (n * (colsOf(keys!.shape) + 32) + neighbours * cols) + n * cols, bytes: 4 * (count + 1) * n * cols };
  },

  scratch: ([x]) => 8 * maxOf(rowsOf(x!.shape)),

  encode(r, [x, keys, , chosen], { neighbours, merged }) {
    r.dim(ROWS, merged);
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, x!.stride);
    r.int(P1, fixedRows('mergeNeighbours', x!));
    r.int(P2, keys!.stride);
    r.int(P3, colsOf(keys!.shape));
    r.dim(P4, rowsOf(chosen!.shape));
    r.int(P5, neighbours);
  },
};
