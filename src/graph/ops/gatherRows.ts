import { OP_GATHER_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/** `x[index]`: x f32 [rows, cols], index i32 [n, 1] -> f32 [n, cols]; n may be a cell. An index outside x gives a row of zeros. */
export const gatherRows: Op = {
  name: 'gatherRows',
  opcode: OP_GATHER_ROWS,

  outputs([x, index]) {
    needF32('gatherRows', x!);
    contiguous('gatherRows', index!);
    if (index!.dtype !== 'i32' || colsOf(index!.shape) !== 1)
      throw new ShapeError(`gatherRows: the index must be i32[n, 1]: got ${show(index!)}`);
    return [{ dtype: 'f32', shape: [rowsOf(index!.shape), colsOf(x!.shape)] }];
  },

  cost: ([x, index], _, size) => ({ macs: 0, bytes: 8 * size(rowsOf(index!.shape)) * colsOf(x!.shape) }),

  encode(r, [x, index]) {
    r.dim(ROWS, rowsOf(index!.shape));
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, x!.stride);
    r.dim(P1, rowsOf(x!.shape));
  },
};
