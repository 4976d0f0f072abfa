import { OP_ROUTE } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, P6, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32, needSameCols, needSameRows } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { type Cell, colsOf, type Dim, maxOf, rowsOf, show } from '../tensor.ts';

/** A record has room for the cells of so many experts. */
export const MAX_EXPERTS = 8;

export interface RouteParams {
  /** Experts of a row. */
  readonly k: number;
  /** Rows of the whole sequence, of which these rows are a part. */
  readonly total: Dim;
  /** An expert takes at most `k * factor * total / experts` rows, rounded up, but not less than `least`. */
  readonly factor: number;
  readonly least: number;
  /** Get the number of rows of each expert. */
  readonly counts: readonly Cell[];
}

/**
 * A mixture's gate: inputs logits f32 [rows, experts], their softmax, and optionally noise of the same shape.
 * Results: lists i32 [experts * room, 1], where expert e's rows stand from e * room on and room is the rows' upper bound; weights f32 [rows, experts];
 * choices i32 [rows, 2k], k experts and their k slots; load i32 [1, 1 + experts], the capacity and the rows of each expert.
 * The kernel (assembly/kernels/routing/route.ts) has the rules.
 */
export const route: Op<RouteParams> = {
  name: 'route',
  opcode: OP_ROUTE,

  outputs(inputs, { k, counts, least }) {
    const logits = inputs[0]!;
    needF32('route', ...inputs);
    contiguous('route', ...inputs);
    for (const t of inputs.slice(1)) {
      needSameRows('route', logits, t);
      needSameCols('route', logits, t);
    }
    const experts = colsOf(logits.shape);
    if (experts < 1 || experts > MAX_EXPERTS) throw new ShapeError(`route: needs 1 to ${MAX_EXPERTS} experts: got ${show(logits)}`);
    if (!Number.isInteger(k) || k < 1 || k > experts) throw new ShapeError(`route: k must be 1 to ${experts}, the experts: got ${k}`);
    if (counts.length !== experts) throw new ShapeError(`route: needs a cell for each of ${experts} experts: got ${counts.length}`);
    if (!Number.isInteger(least) || least < 0) throw new ShapeError(`route: the least capacity must be a whole number: got ${least}`);
    const rows = rowsOf(logits.shape);
    if (counts.some((c) => c.max < maxOf(rows)))
      throw new ShapeError(`route: a cell must hold up to ${maxOf(rows)}: got ${counts.map((c) => c.max)}`);
    return [
      { dtype: 'i32', shape: [experts * maxOf(rows), 1] },
      { dtype: 'f32', shape: [rows, experts] },
      { dtype: 'i32', shape: [rows, 2 * k] },
      { dtype: 'i32', shape: [1, 1 + experts] },
    ];
  },

  cost: ([logits], { k }, size) => ({ macs: elements(logits!, size) * k, bytes: elements(logits!, size) * 12 }),

  writes: ({ counts }) => counts,

  encode(r, [logits], { k, total, factor, least, counts }) {
    const rows = rowsOf(logits!.shape);
    r.dim(ROWS, rows);
    r.int(COLS, colsOf(logits!.shape));
    r.int(P0, k);
    r.dim(P1, total);
    r.float(P2, k * factor);
    r.int(P3, least);
    r.int(P4, maxOf(rows));
    for (const [e, cell] of counts.entries()) r.dim(P6 + 4 * e, cell);
  },
};
