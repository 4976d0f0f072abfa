import { OP_HEAD_SCORES } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { type HeadParams, headDim, headRows } from '../families/heads.ts';
import { needF32 } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/**
 * Products of each query with its keys, head by head: q f32 [rows, heads * dim], k f32 [n, heads * dim] -> f32 [rows, heads * keys].
 * Query r sees keys r * step .. r * step + keys. For attention whose weights are wanted, or whose keys are windows; else `attention`.
 */
export const headScores: Op<HeadParams> = {
  name: 'headScores',
  opcode: OP_HEAD_SCORES,

  outputs([q, k], params) {
    needF32('headScores', q!, k!);
    headDim('headScores', k!, headRows('headScores', q!, params.step), params);
    if (colsOf(q!.shape) !== colsOf(k!.shape)) throw new ShapeError(`headScores: columns must agree: got ${show(q!)} and ${show(k!)}`);
    return [{ dtype: 'f32', shape: [rowsOf(q!.shape), params.heads * params.keys] }];
  },

  cost([q, k], { heads, keys }, size) {
    const rows = size(rowsOf(q!.shape));
    const cols = colsOf(q!.shape);
    return { macs: rows * keys * cols, bytes: 4 * (rows * cols + size(rowsOf(k!.shape)) * cols + rows * heads * keys) };
  },

  encode(r, [q, k], { heads, keys, step }) {
    r.dim(ROWS, rowsOf(q!.shape));
    r.int(COLS, colsOf(q!.shape) / heads);
    r.int(P0, heads);
    r.int(P1, keys);
    r.int(P2, step);
    r.int(P3, q!.stride);
    r.int(P4, k!.stride);
  },
};
