import { OP_NORMALIZE_PIXELS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, show } from '../tensor.ts';

/** A window of an image, in pixels. */
export interface PixelWindow {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** RGB bytes u8 [rows, bytes] to planes f32 [3, height, width] by a table f32 [3, 256] of what each byte becomes. */
export const normalizePixels: Op<PixelWindow> = {
  name: 'normalizePixels',
  opcode: OP_NORMALIZE_PIXELS,

  outputs([image, table], { left, top, width, height }) {
    contiguous('normalizePixels', image!, table!);
    const rows = image!.shape[0];
    if (image!.dtype !== 'u8' || image!.shape.length !== 2 || typeof rows !== 'number') {
      throw new ShapeError(`normalizePixels: the image must be u8 [rows, bytes]: got ${show(image!)}`);
    }
    if (left < 0 || top < 0 || top + height > rows || 3 * (left + width) > colsOf(image!.shape)) {
      throw new ShapeError(`normalizePixels: window outside the image: got ${width}x${height} at ${left},${top} of ${show(image!)}`);
    }
    if (table!.dtype !== 'f32' || maxSize(table!.shape) !== 768) {
      throw new ShapeError(`normalizePixels: the table must be f32 [3, 256]: got ${show(table!)}`);
    }
    return [{ dtype: 'f32', shape: [3, height, width] }];
  },

  cost: (_, { width, height }) => ({ macs: 0, bytes: 15 * width * height }),

  encode(r, [image], { left, top, width, height }) {
    r.dim(ROWS, height);
    r.int(COLS, colsOf(image!.shape));
    r.int(P0, top);
    r.int(P1, left);
    r.int(P2, width);
  },
};
