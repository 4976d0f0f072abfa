import { OP_LAST_ROW } from '../../../assembly/opcodes.ts';
import { P0 } from '../../../assembly/program.ts';
import { needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf } from '../tensor.ts';

/** The last of the rows that are there: x f32 [rows, cols] -> [1, cols]. */
export const lastRow: Op = {
  name: 'lastRow',
  opcode: OP_LAST_ROW,

  outputs([x]) {
    needF32('lastRow', x!);
    return [{ dtype: 'f32', shape: [1, colsOf(x!.shape)] }];
  },

  cost: ([x]) => ({ macs: 0, bytes: 8 * colsOf(x!.shape) }),

  encode(r, [x]) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
  },
};
