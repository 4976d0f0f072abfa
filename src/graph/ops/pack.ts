import { OP_PACK } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { BLOCKS, type StorageType } from '../../formats/tensors.ts';
import type { Op } from '../op.ts';
import { isPacked, PACKED, SOURCES } from '../packed.ts';
import { byteSize, colsOf, type Dim, maxOf, maxSize, PACK_ROWS, show, type Tensor } from '../tensor.ts';

export interface PackParams {
  /** Type of the stored rows. */
  readonly from: StorageType;
  /** First row of the piece: a multiple of 8. */
  readonly firstRow: Dim;
  /** Rows of the piece: a multiple of 8, except for the last piece. */
  readonly rows: Dim;
  readonly cols: number;
}

/** Turns stored rows into the packed layout of a weight: source u8 (rows as in the file), dest packed [n, cols]. No result: it fills dest from `firstRow` on. */
export const pack: Op<PackParams> = {
  name: 'pack',
  opcode: OP_PACK,

  outputs(inputs, { from, firstRow, rows, cols }) {
    const [source, dest] = inputs as [Tensor, Tensor];
    if (!isPacked(dest.dtype) || SOURCES[dest.dtype][from] === undefined)
      throw new ShapeError(`pack: cannot store ${from} as ${show(dest)}`);
    const block = dest.dtype === 'packed-q8' || dest.dtype === 'packed-q4' ? 32 : BLOCKS[from].values;
    if (cols !== colsOf(dest.shape) || cols % block !== 0) {
      throw new ShapeError(`pack: rows must be as wide as the weight and whole blocks of ${block}: got ${cols} columns for ${show(dest)}`);
    }
    if (typeof firstRow === 'number' && firstRow % PACK_ROWS !== 0)
      throw new ShapeError(`pack: pieces start at multiples of ${PACK_ROWS} rows: got ${firstRow}`);
    if (typeof firstRow === 'number' && firstRow + maxOf(rows) > maxSize(dest.shape) / cols) {
      throw new ShapeError(`pack: rows outside the weight: got ${firstRow} + ${maxOf(rows)} for ${show(dest)}`);
    }
    const bytes = maxOf(rows) * (cols / BLOCKS[from].values) * BLOCKS[from].bytes;
    if (maxSize(source.shape) < bytes) throw new ShapeError(`pack: source is too small: got ${show(source)}, expected ${bytes} bytes`);
    return [];
  },

  cost([, dest], { from, rows, cols }, size) {
    const stored = (cols / BLOCKS[from].values) * BLOCKS[from].bytes;
    return { macs: 0, bytes: size(rows) * (stored + byteSize(dest!.dtype, [PACK_ROWS, cols]) / PACK_ROWS) };
  },

  // The last columns of a row, where they are not four; a block of floats; 8 quantized blocks.
  scratch: () => 16 + 128 + 8 * 34,

  encode(r, [, dest], { from, firstRow, rows, cols }) {
    const dtype = dest!.dtype;
    if (!isPacked(dtype)) return;
    r.dim(ROWS, rows);
    r.int(COLS, cols);
    r.int(P0, SOURCES[dtype][from] ?? 0);
    r.int(P1, PACKED[dtype]);
    r.dim(P2, firstRow);
    r.int(P3, (cols / BLOCKS[from].values) * BLOCKS[from].bytes);
  },
};
