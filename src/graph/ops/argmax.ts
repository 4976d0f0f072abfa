import { OP_ARGMAX } from '../../../assembly/opcodes.ts';
import { P0 } from '../../../assembly/program.ts';
import { elements, needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { rowsOf } from '../tensor.ts';

/** Column of each row's largest value, the first on ties: x f32 [rows, cols] -> i32 [rows, 1]. NaN is never chosen; a row of nothing else gives -1. */
export const argmax: Op = {
  name: 'argmax',
  opcode: OP_ARGMAX,

  outputs([x]) {
    needF32('argmax', x!);
    return [{ dtype: 'i32', shape: [rowsOf(x!.shape), 1] }];
  },

  cost: ([x], _, size) => ({ macs: elements(x!, size), bytes: 4 * elements(x!, size) }),

  encode(r, [x]) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
  },
};
