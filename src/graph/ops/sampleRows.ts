import { OP_SAMPLE_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/**
 * Weighted sums of a few rows: x f32 [n, cols], index i32 [rows, taps], weights f32 [rows, taps] -> f32 [rows, cols].
 * An index outside x adds nothing. Interpolates maps of rows: src/image/sampling.ts makes the tables.
 */
export const sampleRows: Op = {
  name: 'sampleRows',
  opcode: OP_SAMPLE_ROWS,

  outputs([x, index, weights]) {
    needF32('sampleRows', x!, weights!);
    contiguous('sampleRows', index!, weights!);
    if (index!.dtype !== 'i32') throw new ShapeError(`sampleRows: the index must be i32: got ${show(index!)}`);
    if (colsOf(index!.shape) !== colsOf(weights!.shape) || rowsOf(index!.shape) !== rowsOf(weights!.shape)) {
      throw new ShapeError(`sampleRows: index and weights must agree: got ${show(index!)} and ${show(weights!)}`);
    }
    return [{ dtype: 'f32', shape: [rowsOf(index!.shape), colsOf(x!.shape)] }];
  },

  cost([x, index], _, size) {
    const rows = size(rowsOf(index!.shape));
    const taps = colsOf(index!.shape);
    const cols = colsOf(x!.shape);
    return { macs: rows * taps * cols, bytes: 8 * rows * taps + 4 * (rows + size(rowsOf(x!.shape))) * cols };
  },

  encode(r, [x, index]) {
    r.dim(ROWS, rowsOf(index!.shape));
    r.int(COLS, colsOf(x!.shape));
    r.int(P0, x!.stride);
    r.int(P1, colsOf(index!.shape));
    r.dim(P2, rowsOf(x!.shape));
  },
};
