// attention: out[r, h] = sum over keys j of softmax_j(scale * q[r, h] . k[j, g]) * v[j, g], g = h * kvHeads / heads
//
//   in0       f32 [rows, heads * dim]   rows: cell; rows lie P9 elements apart
//   in1, in2  kv                        caches of kind P6 in pieces of P7 rows (layout.ts); P8 = 1: tables of pages
//   out       f32 [rows, heads * dim]
//   COLS dim; P0 heads; P1 kvHeads; P2 f32 scale
//   P3 = 1    causal: row r sees keys 0..past + r, past: cell P4; with a window P5 > 0 only the last P5 of them
//   P3 = 0    every row sees keys 0..keys, keys: cell P4
//
// Online softmax (Milakov & Gimelshein 2018; Dao et al. 2022) over blocks of 64 keys that begin at multiples of 64; a masked or absent key
// weighs exactly 0. Weights below e^-64 of the largest are 0: products with them would be denormal, which is slow. So a row's bits depend
// neither on its chunk nor on its tile nor on the threads. A row that sees no key gives 0.
//
// Without a mask, f32 and i16 take all keys at once instead (whole.ts).
//
// A lane is a query row of one head. Lanes that share a key/value head, LANES at most, go through its blocks together, in tiles of 4.
// A page holds all heads' parts of a block side by side, a piece each head's blocks: where lanes are few, several heads go from page to page
// together, so that memory is read in its order. Head by head each 8 or 16 KiB lie far from the last ones, which doubled a decode step's time.

import { expConstants } from '../../exp.ts';
import { COLS, IN0, IN1, IN2, OUT, P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, ROWS, SCRATCH, SCRATCH_STRIDE } from '../../program.ts';
import { firstRow } from '../../split.ts';
import {
  FROM,
  KEY_BLOCK,
  KV_F16,
  KV_F32,
  KV_I16,
  KV_Q8,
  LANE_BYTES,
  LANES,
  Q_SCALE,
  S_EXP,
  S_KEYS,
  S_MASK,
  S_O,
  S_P,
  S_Q,
  S_STATE,
  S_T,
  STATE_BYTES,
  SUM,
  TO,
} from './layout.ts';
import { pieceOf, rowInPiece } from './pages.ts';
import { packWeights, scaleScores, softmaxStep } from './softmax.ts';
import { addValues, beginLane, laneAt, packQuery, product, scaleOut, widenAll } from './steps.ts';
import { attendWhole } from './whole.ts';

export function attention(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    heads = load<i32>(op, P0),
    kvHeads = load<i32>(op, P1);
  const group = heads / kvHeads,
    lanes = rows * group;
  const kind = load<i32>(op, P6),
    whole = load<i32>(op, P3) == 0 && (kind == KV_F32 || kind == KV_I16);
  const s = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  expConstants(s + S_EXP, -64);
  v128.store(s, i32x4.splat(0x8fffe000), S_MASK);

  // Fewer lanes together where that deals the work more evenly.
  let tile = LANES,
    tiles = (lanes + tile - 1) / tile;
  while (tile > 4 && kvHeads * tiles < 4 * threads && (kvHeads * tiles) % threads != 0) {
    tile >>= 1;
    tiles = (lanes + tile - 1) / tile;
  }
  const together = tiles == 1 && !whole && load<i32>(op, P8) ? LANES / pitchOf(lanes) : 1;
  const end = firstRow(kvHeads * tiles, thread + 1, threads);
  for (let i = firstRow(kvHeads * tiles, thread, threads); i < end; i += together) {
    const h = i / tiles,
      first = (i - h * tiles) * tile;
    const count = min(tile, lanes - first);
    if (whole) attendWhole(op, s, h, group, first, count);
    else attend(op, s, h, min(together, end - i), group, first, count);
  }
}

/** Lanes from one head's first to the next one's: tiles of several lanes read four. */
function pitchOf(count: i32): i32 {
  return count == 1 ? 1 : (count + 3) & ~3;
}

/** Lanes first..first + count of each of the key/value heads h..h + n. */
function attend(op: usize, s: usize, h: i32, n: i32, group: i32, first: i32, count: i32): void {
  const pitch = pitchOf(count);
  let from = i32.MAX_VALUE,
    to = 0;
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < pitch; i++) {
      const lane = j * pitch + i;
      if (i < count) {
        begin(op, s, h + j, group, first + i, lane);
        const state = s + S_STATE + <usize>lane * STATE_BYTES;
        from = min(from, load<i32>(state, FROM));
        to = max(to, load<i32>(state, TO));
      } else memory.fill(s + S_Q + <usize>lane * LANE_BYTES, 0, LANE_BYTES);
    }
  }
  for (let at = from & -KEY_BLOCK; at < to; at += KEY_BLOCK) {
    for (let j = 0; j < n; j++) block(op, s, h + j, at, min(KEY_BLOCK, to - at), j * pitch, count);
  }
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < count; i++) finish(op, s, h + j, group, first + i, j * pitch + i);
  }
}

/** Packs the query of lane `index` of head h into lane `lane` of scratch, which has seen no key yet. */
function begin(op: usize, s: usize, h: i32, group: i32, index: i32, lane: i32): void {
  const dim = load<i32>(op, COLS),
    padded = (dim + 7) & ~7,
    kind = load<i32>(op, P6);
  const stride = (<usize>load<i32>(op, P9)) << 2;
  const scale = load<f32>(op, P2) * (kind == KV_F16 ? reinterpret<f32>(0x75800000) : 1);
  const window = load<i32>(op, P5),
    keys = load<i32>(load<usize>(op, P4));
  const last = load<i32>(op, P3) ? keys + index / group + 1 : keys;
  const state = s + S_STATE + <usize>lane * STATE_BYTES;
  beginLane(state, window ? max(0, last - window) : 0, last);
  const x = laneAt(load<usize>(op, IN0), stride, h, group, index, dim);
  packQuery(kind, x, dim, padded, scale, s + S_Q + <usize>lane * LANE_BYTES, state);
  memory.fill(s + S_O + <usize>lane * LANE_BYTES, 0, (<usize>padded) << 2);
}

/** Writes the mean of the values that lane `lane` has seen. */
function finish(op: usize, s: usize, h: i32, group: i32, index: i32, lane: i32): void {
  const dim = load<i32>(op, COLS),
    rowBytes = (<usize>(load<i32>(op, P0) * dim)) << 2;
  const sum = load<f32>(s + S_STATE + <usize>lane * STATE_BYTES, SUM);
  const out = laneAt(load<usize>(op, OUT), rowBytes, h, group, index, dim);
  scaleOut(out, s + S_O + <usize>lane * LANE_BYTES, dim, sum == 0 ? 0 : 1 / sum);
}

/** Keys at..at + n of head h, seen by `count` lanes of scratch from lane `base` on. */
function block(op: usize, s: usize, h: i32, at: i32, n: i32, base: i32, count: i32): void {
  const kind = load<i32>(op, P6),
    padded = (load<i32>(op, COLS) + 7) & ~7;
  const capacity = load<i32>(op, P7),
    head = h * capacity, // the head's first row in a piece
    paged = load<i32>(op, P8),
    row = rowInPiece(paged, at),
    there = min(KEY_BLOCK, capacity - row); // rows of the cache in this block
  const unit: usize = kind == KV_F32 ? 4 : kind == KV_F16 ? 2 : 1;
  const offset = <usize>((head + row) * padded) * unit;
  const scales = <usize>(load<i32>(op, P1) * capacity) * <usize>padded + ((<usize>(head + row)) << 2);
  const kPiece = pieceOf(load<usize>(op, IN1), paged, at),
    vPiece = pieceOf(load<usize>(op, IN2), paged, at);
  const keyScales = kPiece + scales,
    valueScales = vPiece + scales;
  let k = kPiece + offset,
    v = vPiece + offset,
    form = kind;
  if (kind == KV_F16 && count > 1) {
    const keys = s + S_KEYS,
      values = keys + ((<usize>padded) << 8);
    widenAll(k, there * padded, keys, s);
    widenAll(v, there * padded, values, s);
    k = keys;
    v = values;
    form = KV_F32;
  }

  for (let lane = base; lane < base + count; lane += 4) {
    const lanes = min(4, base + count - lane);
    const states = s + S_STATE + <usize>lane * STATE_BYTES;
    const seen = min(n, load<i32>(states + <usize>(lanes - 1) * STATE_BYTES, TO) - at);
    if (seen <= 0 || load<i32>(states, FROM) >= at + n) continue;
    product(form, lanes, k, padded, there, seen, s + S_Q + <usize>lane * LANE_BYTES, padded, s + S_P, s);
    for (let i = 0; i < lanes; i++) {
      const p = s + S_P + <usize>i * LANE_BYTES,
        state = states + <usize>i * STATE_BYTES;
      const from = max(0, load<i32>(state, FROM) - at),
        to = min(seen, load<i32>(state, TO) - at);
      if (from >= to) {
        memory.fill(p, 0, KEY_BLOCK << 2);
        continue;
      }
      if (kind == KV_Q8) scaleScores(p, (seen + 3) & ~3, keyScales, load<f32>(state, Q_SCALE));
      softmaxStep(p, seen, from, to, state, s);
      packWeights(kind, p, seen, valueScales, state);
    }
    product(form, lanes, v, there, padded, padded, s + S_P, seen, s + S_T, s);
    for (let i = 0; i < lanes; i++) {
      const state = states + <usize>i * STATE_BYTES;
      if (max(at, load<i32>(state, FROM)) >= min(at + seen, load<i32>(state, TO))) continue;
      addValues(kind, s + S_O + <usize>(lane + i) * LANE_BYTES, s + S_T + <usize>i * LANE_BYTES, padded, state);
    }
  }
}
