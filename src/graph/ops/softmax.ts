import { OP_SOFTMAX } from '../../../assembly/opcodes.ts';
import { P0, P1 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { CONSTANT_BYTES } from '../families/elementwise.ts';
import { elements, needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { show } from '../tensor.ts';

/** `exp(scale * (x - max x)) / sum` per row: x f32 [rows, cols]. */
export const softmax: Op<{ scale: number }> = {
  name: 'softmax',
  opcode: OP_SOFTMAX,
  inPlace: 0,

  outputs([x], { scale }) {
    needF32('softmax', x!);
    if (!(scale > 0)) throw new ShapeError(`softmax: the scale must be positive: got ${scale} for ${show(x!)}`);
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: 10 * elements(x!, size), bytes: 8 * elements(x!, size) }),

  scratch: () => CONSTANT_BYTES,

  encode(r, [x], { scale }) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
    r.float(P1, scale);
  },
};
