import { OP_RESIZE_VERTICAL } from '../../../assembly/opcodes.ts';
import { COLS, P0, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/** Column pass of Pillow's resampler: image u8 [from, bytes], table i32 [to, words] of `resizeTable` -> u8 [to, bytes]; bytes a multiple of 16. */
export const resizeVertical: Op = {
  name: 'resizeVertical',
  opcode: OP_RESIZE_VERTICAL,

  outputs([image, table]) {
    contiguous('resizeVertical', image!, table!);
    if (image!.dtype !== 'u8' || image!.shape.length !== 2 || typeof image!.shape[0] !== 'number' || colsOf(image!.shape) % 16 !== 0) {
      throw new ShapeError(`resizeVertical: the image must be u8 [height, multiple of 16]: got ${show(image!)}`);
    }
    if (table!.dtype !== 'i32' || table!.shape.length !== 2) {
      throw new ShapeError(`resizeVertical: the table must be i32 [rows, words]: got ${show(table!)}`);
    }
    return [{ dtype: 'u8', shape: [rowsOf(table!.shape), colsOf(image!.shape)] }];
  },

  cost([image, table], _, size) {
    const cols = colsOf(image!.shape);
    const to = size(rowsOf(table!.shape));
    return { macs: to * cols * (colsOf(table!.shape) - 2), bytes: cols * (to + size(image!.shape[0]!)) };
  },

  encode(r, [image, table]) {
    r.dim(ROWS, rowsOf(table!.shape));
    r.int(COLS, colsOf(image!.shape));
    r.int(P0, image!.shape[0] as number);
    r.int(P2, 4 * colsOf(table!.shape));
  },
};
