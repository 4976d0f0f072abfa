import { OP_CONCAT_COLS } from '../../../assembly/opcodes.ts';
import { P0, P1, P2 } from '../../../assembly/program.ts';
import { elements, needF32, needSameRows, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf } from '../tensor.ts';

/** a beside b: f32 [rows, ca], [rows, cb] -> [rows, ca + cb]. */
export const concatCols: Op = {
  name: 'concatCols',
  opcode: OP_CONCAT_COLS,

  outputs([a, b]) {
    needF32('concatCols', a!, b!);
    needSameRows('concatCols', a!, b!);
    return [{ dtype: 'f32', shape: [rowsOf(a!.shape), colsOf(a!.shape) + colsOf(b!.shape)] }];
  },

  cost: ([a, b], _, size) => ({ macs: 0, bytes: 8 * (elements(a!, size) + elements(b!, size)) }),

  encode(r, [a, b]) {
    writeRows(r, a!);
    r.int(P0, a!.stride);
    r.int(P1, colsOf(b!.shape));
    r.int(P2, b!.stride);
  },
};
