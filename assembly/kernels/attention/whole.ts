// Attention where every row sees all keys, as in towers: the scores of 4 lanes with all keys, one softmax, then all values.
// There is nothing to rescale, and integers need one scale for all weights of a row. `s`: a thread's scratch (layout.ts).
//
//   i16  score = (integer dot) * (scale of the query row * scale of the key)
//        y_j = e^(score_j - largest) * scale of value j;  p_j = round(y_j * f), f = I16_WEIGHT / max y
//        out = (sum over j of p_j * v_j) / (f * sum over j of e^(score_j - largest)): exact integers in a block of keys, floats over blocks

import { expF32x4 } from '../../exp.ts';
import { COLS, IN0, IN1, IN2, OUT, P0, P1, P2, P4, P6, P7, P8, P9 } from '../../program.ts';
import {
  I16_WEIGHT,
  KEY_BLOCK,
  KV_F32,
  KV_I16,
  LANE_BYTES,
  Q_SCALE,
  S_EXP,
  S_KEYS,
  S_O,
  S_Q,
  S_STATE,
  S_T,
  STATE_BYTES,
  WHOLE_BYTES,
  WHOLE_KEYS,
} from './layout.ts';
import { pieceOf, rowInPiece } from './pages.ts';
import { largest } from './softmax.ts';
import { laneAt, packQuery, product, scaleOut } from './steps.ts';

/** Lanes first..first + count of key/value head h. */
export function attendWhole(op: usize, s: usize, h: i32, group: i32, first: i32, count: i32): void {
  for (let i = 0; i < count; i += 4) attendFour(op, s, h, group, first + i, min(4, count - i));
}

function attendFour(op: usize, s: usize, h: i32, group: i32, first: i32, lanes: i32): void {
  const dim = load<i32>(op, COLS),
    padded = (dim + 7) & ~7,
    kind = load<i32>(op, P6),
    keys = load<i32>(load<usize>(op, P4)),
    capacity = load<i32>(op, P7);
  const rowBytes = (<usize>(load<i32>(op, P0) * dim)) << 2,
    stride = (<usize>load<i32>(op, P9)) << 2;
  const head = h * capacity,
    // Of i16 caches, which lie in one piece.
    scales = ((<usize>(load<i32>(op, P1) * capacity * padded)) << 1) + ((<usize>head) << 2);
  // Lanes that are not there count as zeros: their results are not stored.
  memory.fill(s + S_Q, 0, 4 * LANE_BYTES);
  for (let i = 0; i < lanes; i++) {
    const x = laneAt(load<usize>(op, IN0), stride, h, group, first + i, dim),
      state = s + S_STATE + <usize>i * STATE_BYTES;
    packQuery(kind, x, dim, padded, load<f32>(op, P2), s + S_Q + <usize>i * LANE_BYTES, state);
  }

  for (let at = 0; at < keys; at += KEY_BLOCK) {
    const k = blockAt(op, load<usize>(op, IN1), head, padded, at);
    product(kind, lanes, k, padded, rowsAt(op, at), min(KEY_BLOCK, keys - at), s + S_Q, padded, s + S_KEYS + keyAt(at, 2), s);
  }
  for (let i = 0; i < lanes; i++) {
    const state = s + S_STATE + <usize>i * STATE_BYTES;
    const p = s + S_KEYS + <usize>i * LANE_BYTES;
    if (kind == KV_F32) {
      store<f32>(state, softmax<f32>(p, keys, peak(p, keys), 0, s), Q_SCALE);
    } else {
      scale(p, keys, load<usize>(op, IN1) + scales, load<f32>(state, Q_SCALE));
      store<f32>(state, softmax<i16>(p, keys, peak(p, keys), load<usize>(op, IN2) + scales, s), Q_SCALE);
    }
  }
  const sums = s + (kind == KV_I16 ? S_O : S_T),
    bytes = (<usize>padded) << 2;
  if (kind == KV_I16 || keys <= 0) for (let i = 0; i < lanes; i++) memory.fill(sums + <usize>i * LANE_BYTES, 0, bytes);
  for (let at = 0; at < keys; at += KEY_BLOCK) {
    const v = blockAt(op, load<usize>(op, IN2), head, padded, at),
      weights = s + S_KEYS + keyAt(at, kind == KV_I16 ? 1 : 2);
    product(kind, lanes, v, rowsAt(op, at), padded, padded, weights, min(KEY_BLOCK, keys - at), s + S_T, s, kind == KV_F32 && at > 0);
    if (kind == KV_I16) for (let i = 0; i < lanes; i++) addIntegers(sums + <usize>i * LANE_BYTES, s + S_T + <usize>i * LANE_BYTES, bytes);
  }
  for (let i = 0; i < lanes; i++) {
    const factor = load<f32>(s + S_STATE + <usize>i * STATE_BYTES, Q_SCALE);
    scaleOut(laneAt(load<usize>(op, OUT), rowBytes, h, group, first + i, dim), sums + <usize>i * LANE_BYTES, dim, keys > 0 ? factor : 0);
  }
}

/** o += t, integers. */
function addIntegers(o: usize, t: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(o + i, f32x4.add(v128.load(o + i), f32x4.convert_i32x4_s(v128.load(t + i))));
}

/** Bytes from a lane's first score to that of key `at`, in elements of 1 << shift bytes. */
function keyAt(at: i32, shift: i32): usize {
  return <usize>((at / WHOLE_KEYS) * WHOLE_BYTES + ((at & (WHOLE_KEYS - 1)) << shift));
}

/** The block of keys or values that begins at row `at`, of the head whose part of a piece begins at row `head`. */
function blockAt(op: usize, cache: usize, head: i32, padded: i32, at: i32): usize {
  const paged = load<i32>(op, P8);
  return pieceOf(cache, paged, at) + ((<usize>((head + rowInPiece(paged, at)) * padded)) << (load<i32>(op, P6) == KV_I16 ? 1 : 2));
}

/** Rows of the cache in the block at row `at`. */
function rowsAt(op: usize, at: i32): i32 {
  return min(KEY_BLOCK, load<i32>(op, P7) - rowInPiece(load<i32>(op, P8), at));
}

/** Integer scores of one lane, times the scales of its query row and of the keys. */
function scale(p: usize, keys: i32, keyScales: usize, queryScale: f32): void {
  const f = f32x4.splat(queryScale);
  for (; keys > 0; keys -= WHOLE_KEYS, p += WHOLE_BYTES, keyScales += WHOLE_KEYS << 2) {
    // The last three may be no keys: peak() masks them.
    for (let i: usize = 0, end = (<usize>min(keys, WHOLE_KEYS)) << 2; i < end; i += 16) {
      v128.store(p + i, f32x4.mul(f32x4.convert_i32x4_s(v128.load(p + i)), f32x4.mul(f, v128.load(keyScales + i))));
    }
  }
}

/** The largest score of one lane, in all lanes of a vector. Scores beyond the last key, up to a vector's end, become -infinity. */
function peak(p: usize, keys: i32): v128 {
  const tail = p + keyAt(keys, 2);
  for (let i: usize = 0, end = (<usize>(-keys & 3)) << 2; i < end; i += 4) store<f32>(tail + i, -Infinity);
  let m = f32x4.splat(-Infinity),
    n = m;
  for (; keys > 0; keys -= WHOLE_KEYS, p += WHOLE_BYTES) {
    const end = (<usize>((min(keys, WHOLE_KEYS) + 3) & ~3)) << 2,
      pairs = end & ~31;
    let i: usize = 0;
    for (; i < pairs; i += 32) {
      m = f32x4.pmax(m, v128.load(p + i));
      n = f32x4.pmax(n, v128.load(p + i, 16));
    }
    if (i < end) m = f32x4.pmax(m, v128.load(p + i));
  }
  return largest(f32x4.pmax(m, n));
}

/** Scores of one lane become weights. Returns what sums of values times weights are to be multiplied with. T = i16: integers, with the values' scales in them. */
function softmax<T>(p: usize, keys: i32, m: v128, valueScales: usize, s: usize): f32 {
  let sum = f32x4.splat(0),
    most = sum;
  const zero = sum;
  for (let left = keys, q = p; left > 0; left -= WHOLE_KEYS, q += WHOLE_BYTES, valueScales += WHOLE_KEYS << 2) {
    for (let i: usize = 0, end = (<usize>min(left, WHOLE_KEYS)) << 2; i < end; i += 16) {
      let w = expF32x4(f32x4.sub(v128.load(q + i), m), s + S_EXP);
      sum = f32x4.add(sum, w);
      if (sizeof<T>() == 2) {
        // The scale of a masked key may be garbage.
        w = v128.and(f32x4.mul(w, v128.load(valueScales + i)), f32x4.gt(w, zero));
        most = f32x4.pmax(most, w);
      }
      v128.store(q + i, w);
    }
  }
  const total = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3));
  if (sizeof<T>() == 4) return 1 / total;
  const y = f32x4.extract_lane(largest(most), 0);
  const factor: f32 = y < 1e-30 ? 0 : <f32>I16_WEIGHT / y;
  const f = f32x4.splat(factor),
    // Adding 1.5 * 2^23 rounds to an integer that stands in the low bits.
    magic = f32x4.splat(12582912);
  for (let left = keys; left > 0; left -= WHOLE_KEYS, p += WHOLE_BYTES) {
    for (let i: usize = 0, end = (<usize>min(left, WHOLE_KEYS)) << 2; i < end; i += 16) {
      const x = i32x4.sub(f32x4.add(f32x4.mul(v128.load(p + i), f), magic), magic);
      v128.store64_lane(p + (i >> 1), i16x8.narrow_i32x4_s(x, x), 0);
    }
  }
  return factor == 0 ? 0 : 1 / (factor * total);
}
