import { OP_RMS_NORM } from '../../../assembly/opcodes.ts';
import { COLS, P0, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, rowsOf, show } from '../tensor.ts';

/** `x * weight / sqrt(mean(x²) + eps)` per row: x f32 [rows, cols], weight f32 [cols] (Zhang & Sennrich 2019). */
export const rmsNorm: Op<{ eps: number }> = {
  name: 'rmsNorm',
  opcode: OP_RMS_NORM,
  inPlace: 0,

  outputs([x, weight]) {
    contiguous('rmsNorm', x!);
    if (maxSize(weight!.shape) !== colsOf(x!.shape)) {
      throw new ShapeError(`rmsNorm: weight must have one value per column: got ${show(weight!)} for ${show(x!)}`);
    }
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], _, size) => ({ macs: 2 * size(rowsOf(x!.shape)) * colsOf(x!.shape), bytes: 8 * size(rowsOf(x!.shape)) * colsOf(x!.shape) }),

  encode(r, [x], { eps }) {
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, colsOf(x!.shape));
    r.float(P0, eps);
  },
};
