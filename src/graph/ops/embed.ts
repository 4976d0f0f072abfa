import { OP_EMBED } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { isPacked, PACKED } from '../packed.ts';
import { byteSize, colsOf, maxSize, rowsOf, show, type Tensor } from '../tensor.ts';

/**
 * Rows of an embedding table: ids i32 [rows, 1], table packed [V, D], hidden f32 [rows, D] -> f32 [rows, D].
 * A negative id takes the row of `hidden` in its place (a spliced image token). The host checks that ids are below V; the kernel reads row 0 for others.
 */
export const embed: Op = {
  name: 'embed',
  opcode: OP_EMBED,

  outputs(inputs) {
    const [ids, table, hidden] = inputs as [Tensor, Tensor, Tensor];
    const rows = rowsOf(ids.shape);
    if (ids.dtype !== 'i32' || colsOf(ids.shape) !== 1) throw new ShapeError(`embed: ids must be i32 [rows, 1]: got ${show(ids)}`);
    if (!isPacked(table.dtype)) throw new ShapeError(`embed: table must be packed: got ${show(table)}`);
    contiguous('embed', ids, hidden);
    if (hidden.dtype !== 'f32' || rowsOf(hidden.shape) !== rows || colsOf(hidden.shape) !== colsOf(table.shape)) {
      throw new ShapeError(
        `embed: hidden must have one row per id, as wide as the table: got ${show(hidden)} for ${show(ids)} and ${show(table)}`,
      );
    }
    return [{ dtype: 'f32', shape: hidden.shape }];
  },

  cost([ids, table], _, size) {
    const rows = size(rowsOf(ids!.shape));
    const cols = colsOf(table!.shape);
    return { macs: rows * cols, bytes: rows * (4 * cols + byteSize(table!.dtype, [8, cols]) / 8) };
  },

  encode(r, [ids, table]) {
    r.dim(ROWS, rowsOf(ids!.shape));
    r.int(COLS, colsOf(table!.shape));
    r.int(P0, isPacked(table!.dtype) ? PACKED[table!.dtype] : 0);
    r.int(P1, maxSize(table!.shape) / colsOf(table!.shape));
  },
};
