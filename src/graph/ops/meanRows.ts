import { OP_MEAN_ROWS } from '../../../assembly/opcodes.ts';
import { elements, needF32, writeRows } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf } from '../tensor.ts';

/** The mean of the rows: x f32 [rows, cols] -> [1, cols]. */
export const meanRows: Op = {
  name: 'meanRows',
  opcode: OP_MEAN_ROWS,

  outputs([x]) {
    needF32('meanRows', x!);
    contiguous('meanRows', x!);
    return [{ dtype: 'f32', shape: [1, colsOf(x!.shape)] }];
  },

  cost: ([x], _, size) => ({ macs: elements(x!, size), bytes: 4 * elements(x!, size) }),

  encode: (r, [x]) => writeRows(r, x!),
};
