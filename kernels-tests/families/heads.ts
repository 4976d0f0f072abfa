// Sizes for ops of attention in two steps, and windows of columns as stacked projections have them.

/** Rows, heads, elements of a head, keys, step. */
export const headSizes: readonly (readonly [rows: number, heads: number, dim: number, keys: number, step: number])[] = [
  [1, 1, 4, 1, 0],
  [3, 2, 12, 5, 0],
  [5, 3, 36, 9, 0],
  [9, 2, 64, 31, 0],
  [4, 1, 68, 33, 0],
  [7, 2, 20, 6, 6],
  [5, 1, 128, 9, 9],
  [3, 2, 8, 4, 2],
];
