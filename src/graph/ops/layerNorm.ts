import { OP_LAYER_NORM } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32 } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, rowsOf, show } from '../tensor.ts';

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` per row: x f32 [rows, cols], weight, bias f32 [cols] (Ba et al. 2016).
 * `groups`: so many equal parts of a row, such as heads, have a mean and a variance of their own. The bias may be left out.
 */
export const layerNorm: Op<{ eps: number; groups?: number }> = {
  name: 'layerNorm',
  opcode: OP_LAYER_NORM,
  inPlace: 0,

  outputs([x, weight, bias], { groups = 1 }) {
    needF32('layerNorm', x!, weight!, ...(bias ? [bias] : []));
    for (const [what, t] of [
      ['weight', weight],
      ['bias', bias],
    ] as const) {
      if (t && maxSize(t.shape) !== colsOf(x!.shape)) {
        throw new ShapeError(`layerNorm: ${what} must have one value per column: got ${show(t)} for ${show(x!)}`);
      }
    }
    if (colsOf(x!.shape) % groups) throw new ShapeError(`layerNorm: columns must be a multiple of ${groups} groups: got ${show(x!)}`);
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: 4 * elements(x!, size), bytes: 8 * elements(x!, size) }),

  encode(r, [x], { eps, groups = 1 }) {
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, colsOf(x!.shape) / groups);
    r.float(P0, eps);
    r.int(P1, x!.stride);
    r.int(P2, groups);
  },
};
