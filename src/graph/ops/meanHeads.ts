import { OP_MEAN_HEADS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32 } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/** The mean of a row's heads: x f32 [rows, heads * dim] -> [rows, dim]. */
export const meanHeads: Op<{ heads: number }> = {
  name: 'meanHeads',
  opcode: OP_MEAN_HEADS,

  outputs([x], { heads }) {
    needF32('meanHeads', x!);
    if (colsOf(x!.shape) % heads) throw new ShapeError(`meanHeads: columns must be a multiple of ${heads} heads: got ${show(x!)}`);
    return [{ dtype: 'f32', shape: [rowsOf(x!.shape), colsOf(x!.shape) / heads] }];
  },

  cost: ([x], _, size) => ({ macs: elements(x!, size), bytes: 4 * elements(x!, size) }),

  encode(r, [x], { heads }) {
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, colsOf(x!.shape) / heads);
    r.int(P0, x!.stride);
    r.int(P1, heads);
  },
};
