import { AS_MANY, BEST, LARGER } from '../../../assembly/kernels/prune/modes.ts';
import { OP_SELECT_ROWS } from '../../../assembly/opcodes.ts';
import { P0, P1, P2, P3, P4, P5, P6, P7, P8, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { colsOf, type Dim, maxOf, rowsOf, show } from '../tensor.ts';

export interface SelectRowsParams {
  /** Rows in all. */
  readonly rows: Dim;
  /** `best`: the k largest s0, or s0 - s1; `larger`: s0 > s1; `as many`: the n largest s0, where n have s0 > s1. */
  readonly how: 'best' | 'larger' | 'as many';
  /** With `best`: candidates that stay. */
  readonly k?: Dim;
  /** Rows that stay: a cell, which is written, or a number, which must be right. */
  readonly kept: Dim;
  /** Without a list of candidates: row of the first. */
  readonly from?: number;
  /** The last row is named so many times more. */
  readonly again?: Dim;
}

const MODES = { best: BEST, larger: LARGER, 'as many': AS_MANY };

/**
 * Rows that go on, ascending: all but the candidates, and the chosen candidates; equal scores: the earlier row first.
 * Inputs: scores f32 [n, 1 or 2] and the candidates' rows i32 [n, 1], ascending; without them candidate i is row `from + i`.
 * Results: i32 [kept, 1], and the other rows i32 [rows - kept, 1] (a number where both are; else room for all).
 */
export const selectRows: Op<SelectRowsParams> = {
  name: 'selectRows',
  opcode: OP_SELECT_ROWS,

  outputs([scores, candidates], { rows, how, k, kept, again = 0 }) {
    needF32('selectRows', scores!);
    const columns = colsOf(scores!.shape);
    if (columns > 2 || (how !== 'best' && columns !== 2)) {
      throw new ShapeError(`selectRows: needs ${how === 'best' ? 'one or two scores' : 'two scores'} per candidate: got ${show(scores!)}`);
    }
    if (candidates) {
      contiguous('selectRows', candidates);
      if (candidates.dtype !== 'i32' || rowsOf(candidates.shape) !== rowsOf(scores!.shape)) {
        throw new ShapeError(`selectRows: candidates must be i32, one for each score: got ${show(candidates)} and ${show(scores!)}`);
      }
    }
    if ((how === 'best') !== (k !== undefined)) throw new ShapeError(`selectRows: k is given with best, and only then: got ${how}`);
    const room = maxOf(rows) + maxOf(again);
    if (typeof kept === 'number' && kept > room) throw new ShapeError(`selectRows: more rows kept than there are: got ${kept} of ${room}`);
    if (typeof kept !== 'number' && kept.max < room)
      throw new ShapeError(`selectRows: the cell of kept rows is too small: got ${kept.max}, expected ${room}`);
    const others = typeof kept === 'number' && typeof rows === 'number' ? rows - kept : maxOf(rows);
    return [
      { dtype: 'i32', shape: [kept, 1] },
      { dtype: 'i32', shape: [others, 1] },
    ];
  },

  cost: ([scores], { rows }, size) => ({ macs: 32 * size(rowsOf(scores!.shape)), bytes: 8 * size(rows) }),

  scratch: ([scores]) => 4 * maxOf(rowsOf(scores!.shape)),

  writes: ({ kept }) => (typeof kept === 'number' ? [] : [kept]),

  encode(r, [scores, candidates], { rows, how, k = 0, kept, from = 0, again = 0 }) {
    r.dim(ROWS, rowsOf(scores!.shape));
    r.int(P0, scores!.stride);
    r.int(P1, colsOf(scores!.shape));
    r.int(P2, candidates ? 1 : 0);
    r.int(P3, from);
    r.dim(P4, rows);
    r.int(P5, MODES[how]);
    r.dim(P6, k);
    if (typeof kept === 'number') r.int(P7, 0);
    else r.dim(P7, kept);
    r.dim(P8, again);
  },
};
