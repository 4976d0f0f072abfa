// What attention in two steps (headScores, softmax, mixHeads) has in common: which keys a row sees.

import { ShapeError } from '../../errors.ts';
import { colsOf, rowsOf, show, type Tensor } from '../tensor.ts';
import { fixedRows } from './rows.ts';

export interface HeadParams {
  readonly heads: number;
  /** Keys (or values) of a row. */
  readonly keys: number;
  /** From one row's first key to the next row's: 0 when all rows see the same keys, `keys` when each has its own. */
  readonly step: number;
}

/** Elements of a head of `t`; checks that all rows find their keys in it. */
export function headDim(op: string, t: Tensor, rows: number, { heads, keys, step }: HeadParams): number {
  const dim = colsOf(t.shape) / heads;
  if (dim % 4 !== 0) throw new ShapeError(`${op}: heads must have a multiple of 4 elements: got ${show(t)} in ${heads} heads`);
  if (keys < 1 || (rows - 1) * step + keys > fixedRows(op, t)) {
    throw new ShapeError(`${op}: rows outside: got ${keys} rows, ${step} on for each of ${rows}, in ${show(t)}`);
  }
  return dim;
}

/** Rows as a number: the upper bound of a cell. */
export const headRows = (op: string, t: Tensor, step: number): number => {
  const rows = rowsOf(t.shape);
  // Rows that share their keys may be a cell: nothing depends on their number.
  return step === 0 && typeof rows !== 'number' ? 1 : fixedRows(op, t);
};
