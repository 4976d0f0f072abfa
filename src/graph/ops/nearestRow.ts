import { OP_NEAREST_ROW } from '../../../assembly/opcodes.ts';
import { P0, P1, P2, P3, P4 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { fixedRows, needF32, writeRows } from '../families/rows.ts';
import type { Op } from '../op.ts';
import { colsOf, show } from '../tensor.ts';

export interface NearestRowParams {
  /** The targets are rows first, first + step, ..: `count` of them. */
  readonly first: number;
  readonly step: number;
  readonly count: number;
  /** So many first rows are never near: their cosine is -Infinity. Default 0. */
  readonly alone?: number;
}

/**
 * For each row that is no target the target of the largest cosine, the first on ties: x f32 [rows, cols] -> cosines f32 [rows, 1] and
 * numbers of targets i32 [rows, 1]; for targets -Infinity and -1.
 */
export const nearestRow: Op<NearestRowParams> = {
  name: 'nearestRow',
  opcode: OP_NEAREST_ROW,

  outputs([x], { first, step, count }) {
    needF32('nearestRow', x!);
    const rows = fixedRows('nearestRow', x!);
    if (count < 1 || step < 1 || first < 0 || first + (count - 1) * step >= rows)
      throw new ShapeError(`nearestRow: targets outside: got ${count} from ${first} on, every ${step}, of ${show(x!)}`);
    return [
      { dtype: 'f32', shape: [rows, 1] },
      { dtype: 'i32', shape: [rows, 1] },
    ];
  },

  cost([x], { count }) {
    const n = fixedRows('nearestRow', x!) * colsOf(x!.shape);
    return { macs: n * count, bytes: 4 * n };
  },

  scratch: (_, { count }) => 4 * count,

  encode(r, [x], { first, step, count, alone = 0 }) {
    writeRows(r, x!);
    r.int(P0, x!.stride);
    r.int(P1, first);
    r.int(P2, step);
    r.int(P3, count);
    r.int(P4, alone);
  },
};
