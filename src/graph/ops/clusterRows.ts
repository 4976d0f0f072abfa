import { OP_CLUSTER_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { fixedRows, needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, show } from '../tensor.ts';

/**
 * Rows first, first + step, .. (`count` of them), each plus the mean of its members: x f32 [n, cols], clusters i32 [n, 1] (-1: none) ->
 * f32 [count, cols].
 */
export const clusterRows: Op<{ first: number; step: number; count: number }> = {
  name: 'clusterRows',
  opcode: OP_CLUSTER_ROWS,

  outputs([x, cluster], { first, step, count }) {
    needF32('clusterRows', x!);
    contiguous('clusterRows', cluster!);
    const n = fixedRows('clusterRows', x!);
    if (cluster!.dtype !== 'i32' || fixedRows('clusterRows', cluster!) !== n || colsOf(cluster!.shape) !== 1)
      throw new ShapeError(`clusterRows: needs one cluster for each row, i32: got ${show(cluster!)} for ${show(x!)}`);
    if (first < 0 || step < 1 || first + (count - 1) * step >= n)
      throw new ShapeError(`clusterRows: targets outside: got ${count} from ${first} on, every ${step}, of ${show(x!)}`);
    return [{ dtype: 'f32', shape: [count, colsOf(x!.shape)] }];
  },

  cost([x], { count }) {
    const n = (fixedRows('clusterRows', x!) + count) * colsOf(x!.shape);
    return { macs: n, bytes: 8 * n };
  },

  encode(r, [x], { first, step, count }) {
    r.dim(ROWS, count);
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, x!.stride);
    r.int(P1, first);
    r.int(P2, step);
    r.int(P3, fixedRows('clusterRows', x!));
  },
};
