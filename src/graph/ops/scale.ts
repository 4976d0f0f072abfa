import { OP_SCALE } from '../../../assembly/opcodes.ts';
import { P0, P1 } from '../../../assembly/program.ts';
import { CONSTANT_BYTES } from '../families/elementwise.ts';
import { elements, needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';

/** `x * factor`: x f32 [rows, cols]. */
export const scale: Op<{ factor: number }> = {
  name: 'scale',
  opcode: OP_SCALE,
  inPlace: 0,

  outputs([x]) {
    needF32('scale', x!);
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: elements(x!, size), bytes: 8 * elements(x!, size) }),

  scratch: () => CONSTANT_BYTES,

  encode(r, [x], { factor }) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
    r.float(P1, factor);
  },
};
