import { OP_ROPE_TABLE } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, rowsOf, show } from '../tensor.ts';

/**
 * cos and sin of the angles of each row: positions i32 [rows, 1], inverse frequencies f32 [n] -> f32 [rows, 2 n].
 * `scale`: positions are divided by it (linear RoPE scaling); `attention`: factor of the result. Both default to 1.
 */
export const ropeTable: Op<{ scale?: number; attention?: number }> = {
  name: 'ropeTable',
  opcode: OP_ROPE_TABLE,

  outputs([positions, frequencies]) {
    contiguous('ropeTable', positions!);
    if (positions!.dtype !== 'i32' || colsOf(positions!.shape) !== 1) {
      throw new ShapeError(`ropeTable: positions must be i32 [rows, 1]: got ${show(positions!)}`);
    }
    if (frequencies!.dtype !== 'f32') throw new ShapeError(`ropeTable: inverse frequencies must be f32: got ${show(frequencies!)}`);
    return [{ dtype: 'f32', shape: [rowsOf(positions!.shape), 2 * maxSize(frequencies!.shape)] }];
  },

  cost: ([positions, frequencies], _, size) => {
    const n = size(rowsOf(positions!.shape)) * maxSize(frequencies!.shape);
    return { macs: 25 * n, bytes: 8 * n };
  },

  encode(r, [positions, frequencies], { scale = 1, attention = 1 }) {
    r.dim(ROWS, rowsOf(positions!.shape));
    r.int(COLS, maxSize(frequencies!.shape));
    r.float(P0, scale);
    r.float(P1, attention);
  },
};
