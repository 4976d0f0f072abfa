import { OP_SELECT_OUTLIERS } from '../../../assembly/opcodes.ts';
import { P0, P1, P2, P3, P4 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { type Cell, maxSize, show } from '../tensor.ts';

export interface SelectOutliersParams {
  /** Also samples rows between the outliers, below this row. */
  readonly samples?: number;
  /** Rows chosen, and one more: written. */
  readonly chosen: Cell;
  readonly merged: Cell;
}

/**
 * Rows whose score is above q3 + 1.5 (q3 - q1), best first; with `samples` then every so-manieth other row (PruMerge, Shang et al. 2024).
 * scores f32 of n values -> rows i32 [chosen, 1] and the share of outliers f32 [1, 1].
 */
export const selectOutliers: Op<SelectOutliersParams> = {
  name: 'selectOutliers',
  opcode: OP_SELECT_OUTLIERS,

  outputs([scores], { chosen, merged }) {
    needF32('selectOutliers', scores!);
    contiguous('selectOutliers', scores!);
    const n = maxSize(scores!.shape);
    if (chosen.max < n || merged.max < n + 1)
      throw new ShapeError(`selectOutliers: cells are too small: got ${chosen.max} and ${merged.max} for ${show(scores!)}`);
    return [
      { dtype: 'i32', shape: [chosen, 1] },
      { dtype: 'f32', shape: [1, 1] },
    ];
  },

  cost: ([scores]) => ({ macs: maxSize(scores!.shape) ** 2, bytes: 8 * maxSize(scores!.shape) }),

  scratch: ([scores]) => 4 * maxSize(scores!.shape),

  writes: ({ chosen, merged }) => [chosen, merged],

  encode(r, [scores], { samples, chosen, merged }) {
    r.int(P0, maxSize(scores!.shape));
    r.int(P1, samples === undefined ? 0 : 1);
    r.int(P2, samples ?? 0);
    r.dim(P3, chosen);
    r.dim(P4, merged);
  },
};
