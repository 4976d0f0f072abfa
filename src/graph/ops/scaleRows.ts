import { OP_SCALE_ROWS } from '../../../assembly/opcodes.ts';
import { P0, P1 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32, needSameRows, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, show } from '../tensor.ts';

/** `x[r] * factor[r]`: x f32 [rows, cols], factor f32 [rows, 1] or a column window. */
export const scaleRows: Op = {
  name: 'scaleRows',
  opcode: OP_SCALE_ROWS,
  inPlace: 0,

  outputs([x, factor]) {
    needF32('scaleRows', x!, factor!);
    needSameRows('scaleRows', x!, factor!);
    if (colsOf(factor!.shape) !== 1) throw new ShapeError(`scaleRows: needs one factor a row: got ${show(factor!)}`);
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: elements(x!, size), bytes: 8 * elements(x!, size) }),

  encode(r, [x, factor]) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
    r.int(P1, factor!.stride);
  },
};
