import { OP_CONCAT_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { elements, fixedRows, needF32, needSameCols } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf } from '../tensor.ts';

/** a above b: f32 [ra, cols], [rb, cols] -> [ra + rb, cols]. Rows are fixed numbers. */
export const concatRows: Op = {
  name: 'concatRows',
  opcode: OP_CONCAT_ROWS,

  outputs([a, b]) {
    needF32('concatRows', a!, b!);
    needSameCols('concatRows', a!, b!);
    return [{ dtype: 'f32', shape: [fixedRows('concatRows', a!) + fixedRows('concatRows', b!), colsOf(a!.shape)] }];
  },

  cost: ([a, b], _, size) => ({ macs: 0, bytes: 8 * (elements(a!, size) + elements(b!, size)) }),

  encode(r, [a, b]) {
    r.dim(ROWS, rowsOf(a!.shape));
    r.int(COLS, colsOf(a!.shape));
    r.int(P0, a!.stride);
    r.dim(P1, rowsOf(b!.shape));
    r.int(P2, b!.stride);
  },
};
