import { OP_KV_WRITE } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, P5, P6, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { elements, needF32, needSameRows } from '../families/rows.ts';
import { kvCapacity, kvKind, kvPiece } from '../kv.ts';
import type { Op } from '../op.ts';
import { colsOf, type Dim, rowsOf, show } from '../tensor.ts';

export interface KvWriteParams {
  /** Key/value heads. */
  readonly heads: number;
  readonly dim: number;
  /** Cache row of the first row. */
  readonly at: Dim;
}

/** Stores rows of k and v, f32 [rows, heads * dim] or windows, in a cache from row `at` on. Inputs: k, v, cache.k, cache.v; no result. */
export const kvWrite: Op<KvWriteParams> = {
  name: 'kvWrite',
  opcode: OP_KV_WRITE,

  outputs([k, v, kCache, vCache], { heads, dim, at }) {
    needF32('kvWrite', k!, v!);
    needSameRows('kvWrite', k!, v!);
    const capacity = kvCapacity('kvWrite', kCache!, vCache!, heads, dim);
    for (const t of [k!, v!]) {
      if (colsOf(t.shape) !== heads * dim) throw new ShapeError(`kvWrite: needs ${heads} heads of ${dim} columns: got ${show(t)}`);
    }
    const rows = rowsOf(k!.shape);
    if (typeof at === 'number' && typeof rows === 'number' && at + rows > capacity) {
      throw new ShapeError(`kvWrite: more rows than the cache holds: got ${rows} from row ${at} for ${show(kCache!)}`);
    }
    return [];
  },

  cost: ([k], _, size) => ({ macs: 0, bytes: 16 * elements(k!, size) }),

  encode(r, [k, v, kCache], { heads, dim, at }) {
    r.dim(ROWS, rowsOf(k!.shape));
    r.int(COLS, dim);
    r.int(P0, heads);
    r.dim(P1, at);
    r.int(P2, kvPiece(kCache!).rows);
    r.int(P3, k!.stride);
    r.int(P4, v!.stride);
    r.int(P5, kvKind('kvWrite', kCache!));
    r.int(P6, kvPiece(kCache!).paged);
  },
};
