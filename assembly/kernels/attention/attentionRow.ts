// attentionRow: out[h, j] = softmax over j < keys of scale * q[h] . k[j, g], g = h * kvHeads / heads: the weights of one query row
//
//   in0   f32 [1, heads * dim]   q
//   in1   kv                     keys of kind P6 in pieces of P7 rows (layout.ts); P8 = 1: a table of pages
//   out   f32 [heads, P3]        0 from `keys` on
//   COLS dim; P0 heads; P1 kvHeads; P2 f32 scale; P4 keys: cell
//
// Heads are split over threads. A weight below e^-64 of the largest is 0.

import { expConstants } from '../../exp.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, P4, P6, P7, P8, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { KEY_BLOCK, KV_F16, KV_F32, KV_Q8, Q_SCALE, S_EXP, S_MASK, S_Q, S_ROW, S_STATE, SUM } from './layout.ts';
import { pieceOf, rowInPiece } from './pages.ts';
import { scaleScores, softmaxStep } from './softmax.ts';
import { beginLane, packQuery, product } from './steps.ts';

export function attentionRow(op: usize, thread: i32, threads: i32): void {
  const heads = load<i32>(op, P0),
    keys = load<i32>(load<usize>(op, P4));
  const s = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const state = s + S_STATE,
    row = s + S_ROW;
  const cols = (<usize>load<i32>(op, P3)) << 2,
    used = (<usize>keys) << 2;
  expConstants(s + S_EXP, -64);
  v128.store(s, i32x4.splat(0x8fffe000), S_MASK);

  const end = firstRow(heads, thread + 1, threads);
  for (let h = firstRow(heads, thread, threads); h < end; h++) {
    const out = load<usize>(op, OUT) + <usize>h * cols;
    memory.fill(out, 0, cols);
    if (keys == 0) continue;
    beginLane(state, 0, keys);
    scores(op, s, h, keys);
    softmaxStep(row, keys, 0, keys, state, s);
    const factor = f32x4.splat(1 / load<f32>(state, SUM));
    for (let i: usize = 0; i < used; i += 16) v128.store(row + i, f32x4.mul(v128.load(row + i), factor));
    memory.copy(out, row, used);
  }
}

/** Scores of head h with all keys, into the scratch row. */
function scores(op: usize, s: usize, h: i32, keys: i32): void {
  const dim = load<i32>(op, COLS),
    padded = (dim + 7) & ~7,
    kind = load<i32>(op, P6),
    capacity = load<i32>(op, P7);
  const kvHeads = load<i32>(op, P1),
    head = ((h * kvHeads) / load<i32>(op, P0)) * capacity,
    paged = load<i32>(op, P8);
  const unit: usize = kind == KV_F32 ? 4 : kind == KV_F16 ? 2 : 1;
  const scale = load<f32>(op, P2) * (kind == KV_F16 ? reinterpret<f32>(0x75800000) : 1);
  const state = s + S_STATE;
  packQuery(kind, load<usize>(op, IN0) + ((<usize>(h * dim)) << 2), dim, padded, scale, s + S_Q, state);
  for (let at = 0; at < keys; at += KEY_BLOCK) {
    const p = s + S_ROW + ((<usize>at) << 2),
      n = min(KEY_BLOCK, keys - at),
      row = rowInPiece(paged, at),
      piece = pieceOf(load<usize>(op, IN1), paged, at);
    product(kind, 1, piece + <usize>((head + row) * padded) * unit, padded, min(KEY_BLOCK, capacity - row), n, s + S_Q, padded, p, s);
    const scales = piece + <usize>(kvHeads * capacity) * <usize>padded + ((<usize>(head + row)) << 2);
    if (kind == KV_Q8) scaleScores(p, (n + 3) & ~3, scales, load<f32>(state, Q_SCALE));
  }
}
