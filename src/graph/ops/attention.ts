import { KV_F16, KV_F32, KV_I16, MAX_DIM, S_KEYS, WHOLE_BYTES, WHOLE_KEYS } from '../../../assembly/kernels/attention/layout.ts';
import { OP_ATTENTION } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { kvCapacity, kvKind, kvPiece } from '../kv.ts';
import type { Op } from '../op.ts';
import { byteSize, colsOf, type Dim, kvPadded, maxOf, rowsOf, show } from '../tensor.ts';

export interface AttentionParams {
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly scale: number;
  /** Row r sees keys 0..past + r of the cache; else every row sees keys 0..keys. */
  readonly causal: boolean;
  /** Rows in the cache before this chunk. */
  readonly past: Dim;
  /** Keys that a row sees when not causal. Required there. */
  readonly keys?: Dim;
  /** With causal: a row sees only the last so many keys, its own among them. */
  readonly window?: number;
}

/** Softmax attention of q, f32 [rows, heads * dim] or a window, over a cache that kvWrite filled. Inputs: q, cache.k, cache.v. */
export const attention: Op<AttentionParams> = {
  name: 'attention',
  opcode: OP_ATTENTION,

  outputs([q, kCache, vCache], { heads, kvHeads, dim, causal, keys, window }) {
    needF32('attention', q!);
    const capacity = kvCapacity('attention', kCache!, vCache!, kvHeads, dim);
    if (colsOf(q!.shape) !== heads * dim) throw new ShapeError(`attention: needs ${heads} heads of ${dim} columns: got ${show(q!)}`);
    if (heads % kvHeads) throw new ShapeError(`attention: heads must be a multiple of key/value heads: got ${heads} and ${kvHeads}`);
    if (dim > MAX_DIM) throw new ShapeError(`attention: heads have at most ${MAX_DIM} elements: got ${dim}`);
    if (causal === (keys !== undefined)) throw new ShapeError(`attention: keys are given when not causal, and only then`);
    if (typeof keys === 'number' && keys > capacity)
      throw new ShapeError(`attention: more keys than the cache holds: got ${keys} for ${show(kCache!)}`);
    const i16 = kvKind('attention', kCache!) === KV_I16;
    if (i16 && (causal || kvPiece(kCache!).paged))
      throw new ShapeError(`attention: kv-i16 is one piece without a mask: got ${show(kCache!)}`);
    if (window !== undefined && !(causal && window > 0))
      throw new ShapeError(`attention: a window is positive and needs causal: got ${window}`);
    return [{ dtype: 'f32', shape: q!.shape }];
  },

  cost: ([q, kCache], { heads, kvHeads, dim, causal, past, keys, window }, size) => {
    const rows = size(rowsOf(q!.shape));
    const capacity = size(kCache!.shape[1]!);
    const before = causal ? Math.max(0, Math.min(size(past), capacity - rows)) : 0;
    const seen = causal ? before + rows : size(keys ?? 0);
    // Keys that a row sees on average.
    const mean = causal ? Math.min(before + (rows + 1) / 2, window ?? Infinity) : seen;
    const cacheRow = byteSize(kCache!.dtype, [1, 1, dim]);
    return { macs: 2 * rows * heads * dim * mean, bytes: 8 * rows * heads * dim + 2 * kvHeads * seen * cacheRow };
  },

  scratch([, kCache], { dim, causal, keys }) {
    const kind = kvKind('attention', kCache!);
    const whole = !causal && (kind === KV_F32 || kind === KV_I16);
    return S_KEYS + (whole ? WHOLE_BYTES * Math.ceil(maxOf(keys ?? 0) / WHOLE_KEYS) : kind === KV_F16 ? 512 * kvPadded(dim) : 0);
  },

  encode(r, [q, kCache], { heads, kvHeads, dim, scale, causal, past, keys, window }) {
    r.dim(ROWS, rowsOf(q!.shape));
    r.int(COLS, dim);
    r.int(P0, heads);
    r.int(P1, kvHeads);
    r.float(P2, scale);
    r.int(P3, causal ? 1 : 0);
    r.dim(P4, causal ? past : (keys ?? 0));
    r.int(P5, window ?? 0);
    r.int(P6, kvKind('attention', kCache!));
    r.int(P7, kvPiece(kCache!).rows);
    r.int(P8, kvPiece(kCache!).paged);
    r.int(P9, q!.stride);
  },
};
