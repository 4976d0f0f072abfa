import { OP_QUANTIZE_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import type { Op } from '../op.ts';
import { colsOf, q8RowBytes, rowsOf, show } from '../tensor.ts';

export interface QuantizeRowsParams {
  /** Values that share a scale: 256 for weights in super-blocks. */
  readonly per: 32 | 256;
}

/** Rounds each row to 8 bits with one scale per 32 or 256 values: x f32 [rows, cols] -> q8 or q8-256 [rows, cols]. */
export const quantizeRows: Op<QuantizeRowsParams> = {
  name: 'quantizeRows',
  opcode: OP_QUANTIZE_ROWS,

  outputs([x], { per }) {
    if (x!.dtype !== 'f32') throw new ShapeError(`quantizeRows: needs f32: got ${show(x!)}`);
    if (per === 256 && colsOf(x!.shape) % 256 !== 0)
      throw new ShapeError(`quantizeRows: needs whole blocks of 256 columns: got ${show(x!)}`);
    return [{ dtype: per === 256 ? 'q8-256' : 'q8', shape: x!.shape }];
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
    r.int(P1, per);
  },
};
