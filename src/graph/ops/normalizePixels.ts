import { OP_NORMALIZE_PIXELS } from '../../../assembly/opcodes.ts';
import { COLS, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { maxSize, show } from '../tensor.ts';

/** RGB bytes u8 [height, width, 3] to planes f32 [3, height, width] by a table f32 [3, 256] of what each byte becomes. */
export const normalizePixels: Op = {
  name: 'normalizePixels',
  opcode: OP_NORMALIZE_PIXELS,

  outputs([image, table]) {
    contiguous('normalizePixels', image!, table!);
    const [height, width, channels] = image!.shape;
    if (image!.dtype !== 'u8' || image!.shape.length !== 3 || channels !== 3) {
      throw new ShapeError(`normalizePixels: the image must be u8 [height, width, 3]: got ${show(image!)}`);
    }
    if (table!.dtype !== 'f32' || table!.shape[0] !== 3 || maxSize(table!.shape) !== 768) {
      throw new ShapeError(`normalizePixels: the table must be f32 [3, 256]: got ${show(table!)}`);
    }
    return [{ dtype: 'f32', shape: [3, height!, width!] }];
  },

  cost: ([image], _, size) => ({ macs: 0, bytes: 5 * image!.shape.reduce<number>((n, d) => n * size(d), 1) }),

  encode(r, [image]) {
    r.dim(ROWS, image!.shape[0]!);
    r.int(COLS, image!.shape[1] as number);
  },
};
