import { OP_SCATTER_ADD_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32, needSameCols, needSameRows } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/** `x` begins with the first input, or with zeros: then the first input only gives the shape. */
export interface ScatterParams {
  readonly start: 'input' | 'zeros';
}

/**
 * `x[index[i]] += weight[index[i]] * y[i]` for all i, one after the other: inputs x f32 [rows, cols], y f32 [n, cols], index i32 [n, 1] with no row twice,
 * weight f32 [rows, 1] or a column window -> f32 [rows, cols]. n may be a cell.
 */
export const scatterAddRows: Op<ScatterParams> = {
  name: 'scatterAddRows',
  opcode: OP_SCATTER_ADD_ROWS,
  inPlace: 0,

  outputs([x, y, index, weight]) {
    needF32('scatterAddRows', x!, y!, weight!);
    contiguous('scatterAddRows', x!, y!, index!);
    needSameCols('scatterAddRows', x!, y!);
    needSameRows('scatterAddRows', y!, index!);
    needSameRows('scatterAddRows', x!, weight!);
    if (index!.dtype !== 'i32' || colsOf(index!.shape) !== 1)
      throw new ShapeError(`scatterAddRows: the index must be i32[n, 1]: got ${show(index!)}`);
    if (colsOf(weight!.shape) !== 1) throw new ShapeError(`scatterAddRows: needs one weight a row: got ${show(weight!)}`);
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x, y], { start }, size) => ({
    macs: elements(y!, size),
    bytes: 12 * elements(y!, size) + (start === 'zeros' ? 4 * elements(x!, size) : 0),
  }),

  encode(r, [x, y, , weight], { start }) {
    r.dim(ROWS, rowsOf(y!.shape));
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, start === 'zeros' ? 1 : 0);
    r.int(P1, weight!.stride);
    r.dim(P2, rowsOf(x!.shape));
  },
};
