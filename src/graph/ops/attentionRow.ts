import { KEY_BLOCK, KV_I16, MAX_DIM, S_ROW } from '../../../assembly/kernels/attention/layout.ts';
import { OP_ATTENTION_ROW } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, P6, P7, P8 } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { kvCapacity, kvKind, kvPiece } from '../kv.ts';
import type { Op } from '../op.ts';
import { byteSize, colsOf, type Dim, maxOf, rowsOf, show } from '../tensor.ts';

export interface AttentionRowParams {
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly scale: number;
  /** Keys that the row sees. */
  readonly keys: Dim;
}

/**
 * The softmax weights of one query row: q f32 [1, heads * dim], cache.k -> [heads, keys at most], 0 beyond the keys that are there.
 * meanRows averages it over heads.
 */
export const attentionRow: Op<AttentionRowParams> = {
  name: 'attentionRow',
  opcode: OP_ATTENTION_ROW,

  outputs([q, k], { heads, kvHeads, dim, keys }) {
    needF32('attentionRow', q!);
    const capacity = kvCapacity('attentionRow', k!, k!, kvHeads, dim);
    if (rowsOf(q!.shape) !== 1 || colsOf(q!.shape) !== heads * dim) {
      throw new ShapeError(`attentionRow: needs one row of ${heads} heads of ${dim} columns: got ${show(q!)}`);
    }
    if (heads % kvHeads) throw new ShapeError(`attentionRow: heads must be a multiple of key/value heads: got ${heads} and ${kvHeads}`);
    if (kvKind('attentionRow', k!) === KV_I16) throw new ShapeError(`attentionRow: knows no kv-i16: got ${show(k!)}`);
    if (dim > MAX_DIM) throw new ShapeError(`attentionRow: heads have at most ${MAX_DIM} elements: got ${dim}`);
    if (maxOf(keys) > capacity) throw new ShapeError(`attentionRow: more keys than the cache holds: got ${maxOf(keys)} for ${show(k!)}`);
    return [{ dtype: 'f32', shape: [heads, maxOf(keys)] }];
  },

  cost: ([, k], { heads, kvHeads, dim, keys }, size) => ({
    macs: heads * dim * size(keys),
    bytes: kvHeads * size(keys) * byteSize(k!.dtype, [1, 1, dim]) + 4 * heads * maxOf(keys),
  }),

  scratch: ([, k]) => S_ROW + 4 * ((k!.shape[1] as number) + KEY_BLOCK),

  encode(r, [, k], { heads, kvHeads, dim, scale, keys }) {
    r.int(COLS, dim);
    r.int(P0, heads);
    r.int(P1, kvHeads);
    r.float(P2, scale);
    r.int(P3, maxOf(keys));
    r.dim(P4, keys);
    r.int(P6, kvKind('attentionRow', k!));
    r.int(P7, kvPiece(k!).rows);
    r.int(P8, kvPiece(k!).paged);
  },
};
