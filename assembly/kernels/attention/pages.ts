// Where rows of a cache lie (layout.ts): in one piece, or in pages of KEY_BLOCK rows whose addresses stand in a table.

import { KEY_BLOCK } from './layout.ts';

/** Start of the piece that holds cache row `row`; `cache` is the table where `paged`. */
export function pieceOf(cache: usize, paged: i32, row: i32): usize {
  return paged ? load<usize>(cache + ((<usize>(row / KEY_BLOCK)) << 2)) : cache;
}

/** Number of the row within its piece. */
export function rowInPiece(paged: i32, row: i32): i32 {
  return paged ? row & (KEY_BLOCK - 1) : row;
}
