import { OP_RESIZE_HORIZONTAL } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

/** Bytes of a row of `pixels` RGB pixels as the resize ops want it: the kernels work in vectors and touch up to 5 bytes after the last pixel. */
export const rowBytes = (pixels: number): number => Math.ceil((3 * pixels + 5) / 16) * 16;

/** Row pass of Pillow's resampler: image u8 [rows, rowBytes(from)], table i32 [to, words] of `resizeTable` -> u8 [rows, rowBytes(to)]. */
export const resizeHorizontal: Op<{ from: number }> = {
  name: 'resizeHorizontal',
  opcode: OP_RESIZE_HORIZONTAL,

  outputs([image, table], { from }) {
    contiguous('resizeHorizontal', image!, table!);
    if (image!.dtype !== 'u8' || colsOf(image!.shape) < rowBytes(from)) {
      throw new ShapeError(`resizeHorizontal: a row of ${from} pixels needs ${rowBytes(from)} bytes: got ${show(image!)}`);
    }
    if (table!.dtype !== 'i32' || table!.shape.length !== 2) {
      throw new ShapeError(`resizeHorizontal: the table must be i32 [pixels, words]: got ${show(table!)}`);
    }
    return [{ dtype: 'u8', shape: [rowsOf(image!.shape), rowBytes(table!.shape[0] as number)] }];
  },

  cost([image, table], _, size) {
    const rows = size(rowsOf(image!.shape));
    const to = table!.shape[0] as number;
    return { macs: 3 * rows * to * (colsOf(table!.shape) - 2), bytes: rows * (colsOf(image!.shape) + rowBytes(to)) };
  },

  encode(r, [image, table]) {
    const to = table!.shape[0] as number;
    r.dim(ROWS, rowsOf(image!.shape));
    r.int(COLS, colsOf(image!.shape));
    r.int(P0, to);
    r.int(P1, rowBytes(to));
    r.int(P2, 4 * colsOf(table!.shape));
  },
};
