import { OP_LAYER_NORM } from '../../../assembly/opcodes.ts';
import { P0, P1 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, show } from '../tensor.ts';

/** `(x - mean) / sqrt(variance + eps) * weight + bias` per row: x f32 [rows, cols], weight, bias f32 [cols] (Ba et al. 2016). */
export const layerNorm: Op<{ eps: number }> = {
  name: 'layerNorm',
  opcode: OP_LAYER_NORM,
  inPlace: 0,

  outputs([x, weight, bias]) {
    needF32('layerNorm', x!, weight!, bias!);
    for (const [what, t] of [
      ['weight', weight!],
      ['bias', bias!],
    ] as const) {
      if (maxSize(t.shape) !== colsOf(x!.shape)) {
        throw new ShapeError(`layerNorm: ${what} must have one value per column: got ${show(t)} for ${show(x!)}`);
      }
    }
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: 4 * elements(x!, size), bytes: 8 * elements(x!, size) }),

  encode(r, [x], { eps }) {
    writeRows(r, x!);
    r.float(P0, eps);
    r.int(P1, x!.stride);
  },
};
