import { OP_ROPE } from '../../../assembly/opcodes.ts';
import { COLS, P0, P2, P3, P4, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32, needSameRows } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

export interface RopeParams {
  readonly heads: number;
  readonly dim: number;
  /** Leading elements of a head that are rotated; the rest is copied. */
  readonly rotary: number;
  /** `half` rotates elements i and i + rotary/2 (Hugging Face), `interleaved` 2i and 2i + 1 (GGUF of the llama architecture). */
  readonly pairing: 'half' | 'interleaved';
}

/** Rotary position embedding: x f32 [rows, heads * dim], may be a window; table f32 [rows, rotary] of ropeTable (Su et al. 2021). */
export const rope: Op<RopeParams> = {
  name: 'rope',
  opcode: OP_ROPE,

  outputs([x, table], { heads, dim, rotary }) {
    needF32('rope', x!, table!);
    needSameRows('rope', x!, table!);
    contiguous('rope', table!);
    if (colsOf(x!.shape) !== heads * dim) throw new ShapeError(`rope: needs ${heads} heads of ${dim} columns: got ${show(x!)}`);
    if (rotary % 2 || rotary > dim || colsOf(table!.shape) !== rotary) {
      throw new ShapeError(`rope: table must have as many columns as elements are rotated: got ${show(table!)} for ${rotary} of ${dim}`);
    }
    return [{ dtype: 'f32', shape: x!.shape }];
  },

  cost: ([x], { heads, dim, rotary }, size) => {
    const n = size(rowsOf(x!.shape)) * heads;
    return { macs: 2 * n * rotary, bytes: 8 * n * dim };
  },

  encode(r, [x], { heads, dim, rotary, pairing }) {
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, dim);
    r.int(P0, heads);
    r.int(P2, rotary);
    r.int(P3, pairing === 'interleaved' ? 1 : 0);
    r.int(P4, x!.stride);
  },
};
