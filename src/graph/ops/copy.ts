import { OP_COPY } from '../../../assembly/opcodes.ts';
import { P0 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { show } from '../tensor.ts';

/** The same values with contiguous rows: x f32 or i32 [rows, cols], mostly a column window. */
export const copy: Op = {
  name: 'copy',
  opcode: OP_COPY,

  outputs([x]) {
    if (x!.dtype !== 'f32' && x!.dtype !== 'i32') throw new ShapeError(`copy: needs f32 or i32: got ${show(x!)}`);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: 0, bytes: 8 * elements(x!, size) }),

  encode(r, [x]) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
  },
};
