// What ops over rows have in common: f32 matrices [rows, cols] whose rows may lie `stride` elements apart.

import { COLS, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import type { RecordWriter, SizeOf } from '../op.ts';
import { colsOf, type Dim, rowsOf, show, type Tensor } from '../tensor.ts';

/** Elements of a tensor as the cells stand. */
export const elements = (t: Tensor, size: SizeOf): number => size(rowsOf(t.shape)) * colsOf(t.shape);

export function needF32(op: string, ...tensors: readonly Tensor[]): void {
  for (const t of tensors) if (t.dtype !== 'f32') throw new ShapeError(`${op}: needs f32: got ${show(t)}`);
}

/** The same shape as matrices: equal columns, and rows of one number or one cell. */
export function needSameRows(op: string, a: Tensor, b: Tensor): void {
  if (rowsOf(a.shape) !== rowsOf(b.shape)) throw new ShapeError(`${op}: rows must agree: got ${show(a)} and ${show(b)}`);
}

export function needSameCols(op: string, a: Tensor, b: Tensor): void {
  if (colsOf(a.shape) !== colsOf(b.shape)) throw new ShapeError(`${op}: columns must agree: got ${show(a)} and ${show(b)}`);
}

/** Rows as a number, for ops whose result depends on it. */
export function fixedRows(op: string, t: Tensor): number {
  const rows: Dim = rowsOf(t.shape);
  if (typeof rows !== 'number') throw new ShapeError(`${op}: needs a fixed number of rows: got ${show(t)}`);
  return rows;
}

export function writeRows(r: RecordWriter, t: Tensor): void {
  r.dim(ROWS, rowsOf(t.shape));
  r.int(COLS, colsOf(t.shape));
}
