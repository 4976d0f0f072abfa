import { OP_TOME_MERGE } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { fixedRows, needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, maxSize, show } from '../tensor.ts';

export interface TomeMergeParams {
  /** Rows that vanish: at most half. */
  readonly r: number;
  /** Even rows that stay keep their order; else the most mergeable come first. */
  readonly ordered: boolean;
  /** Factor of ln(size) in the third result: 1 / (scale of the attention's scores). Default 1. */
  readonly factor?: number;
}

/**
 * One step of ToMe (Bolya et al. 2022): the r even rows most like an odd row flow into it.
 * x f32 [n, cols], sizes f32 of n values, and of nearestRow over the odd rows: cosines, numbers ->
 * merged f32 [n - r, cols], sizes f32 [n - r, 1], what a key's size adds to scores f32 [1, n - r],
 * and i32: the even rows that stay, the r that flow, and the r odd rows where to.
 */
export const tomeMerge: Op<TomeMergeParams> = {
  name: 'tomeMerge',
  opcode: OP_TOME_MERGE,

  outputs([x, sizes, best, into], { r }) {
    needF32('tomeMerge', x!, sizes!, best!);
    contiguous('tomeMerge', sizes!, best!, into!);
    const n = fixedRows('tomeMerge', x!);
    for (const t of [sizes!, best!, into!])
      if (maxSize(t.shape) !== n) throw new ShapeError(`tomeMerge: needs one value for each row of ${show(x!)}: got ${show(t)}`);
    if (!Number.isInteger(r) || r < 0 || r > n >> 1) throw new ShapeError(`tomeMerge: at most half of the rows vanish: got ${r} of ${n}`);
    return [
      { dtype: 'f32', shape: [n - r, colsOf(x!.shape)] },
      { dtype: 'f32', shape: [n - r, 1] },
      { dtype: 'f32', shape: [1, n - r] },
      { dtype: 'i32', shape: [((n + 1) >> 1) + r, 1] },
    ];
  },

  cost([x]) {
    const n = fixedRows('tomeMerge', x!);
    return { macs: n * colsOf(x!.shape) + (n * n) / 4, bytes: 8 * n * colsOf(x!.shape) };
  },

  scratch: ([x]) => 5 * ((fixedRows('tomeMerge', x!) + 1) >> 1),

  encode(record, [x], { r, ordered, factor = 1 }) {
    record.int(COLS, colsOf(x!.shape));
    record.int(P0, x!.stride);
    record.int(P1, fixedRows('tomeMerge', x!));
    record.int(P2, r);
    record.int(P3, ordered ? 1 : 0);
    record.float(P4, factor);
  },
};
