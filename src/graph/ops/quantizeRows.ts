import { OP_QUANTIZE_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import type { Op } from '../op.ts';
import { colsOf, q8RowBytes, rowsOf, show } from '../tensor.ts';

export interface QuantizeRowsParams {
  /** Values that share a sum: 16 for weights with a scale per 16 columns. */
  readonly per: 16 | 32;
}

/** Rounds each row to 8 bits with one scale per 32 values: x f32 [rows, cols] -> q8 or q8-16 [rows, cols]. */
export const quantizeRows: Op<QuantizeRowsParams> = {
  name: 'quantizeRows',
  opcode: OP_QUANTIZE_ROWS,

  outputs([x], { per }) {
    if (x!.dtype !== 'f32') throw new ShapeError(`quantizeRows: needs f32: got ${show(x!)}`);
    return [{ dtype: per === 16 ? 'q8-16' : 'q8', shape: x!.shape }];
  },

  cost([x], { per }, size) {
    const cols = colsOf(x!.shape);
    const rows = size(rowsOf(x!.shape));
    return { macs: rows * cols, bytes: rows * (4 * cols + q8RowBytes(cols, per)) };
  },

  // The last block of a row when it is not full.
  scratch: () => 128,

  encode(r, [x], { per }) {
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, x!.stride * 4);
    r.int(P1, per === 16 ? 1 : 0);
  },
};
