// Stored rows to packed layouts (see the matmul kernels), one group of 8 rows at a time. `count` rows are there, the others become zeros.

import { FROM_BF16, FROM_F16, FROM_F32, FROM_Q4_0, FROM_Q8_0 } from '../storage.ts';
import { halvesLow } from './constants.ts';
import { Q4_GROUP, Q8_GROUP } from './layouts.ts';
import { blockQ4, blockQ8 } from './quantize.ts';

/** Stored values of one row from column k on, `n` of them, as 4 lanes of bits; the others are zeros. `spare`: 16 bytes. */
function four(at: usize, k: usize, n: usize, from: i32, spare: usize): v128 {
  const size: usize = from == FROM_F32 ? 2 : 1;
  let p = at + (k << size);
  if (n < 4) {
    memory.fill(spare, 0, 16);
    memory.copy(spare, p, n << size);
    p = spare;
  }
  return from == FROM_F32 ? v128.load(p) : v128.load16x4_u(p);
}

function floats(bits: v128, from: i32): v128 {
  if (from == FROM_F32) return bits;
  if (from == FROM_BF16) return i32x4.shl(bits, 16);
  return halvesLow(bits, i32x4.splat(0x8fffe000), f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** Nearest half floats, ties to even; what is too large or no number becomes the largest finite one. */
function halves(bits: v128, from: i32): v128 {
  if (from == FROM_F16) return bits;
  const f = floats(bits, from);
  const m = v128.and(f, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.sub(m, i32x4.splat(0x38000000 - 0xfff)), odd), 13);
  // Adding 0.5 rounds to a multiple of 2^-24.
  const small = i32x4.sub(f32x4.add(m, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const h = v128.bitselect(small, normal, i32x4.lt_u(m, i32x4.splat(0x38800000)));
  return v128.or(i32x4.min_u(h, i32x4.splat(0x7bff)), v128.and(i32x4.shr_u(f, 16), i32x4.splat(0x8000)));
}

/** Writes lane i of a, b, c, d as vector i of the `n` at `to`, `step` bytes apart. */
function transpose(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize, n: usize): void {
  const p = v128.shuffle<u32>(a, b, 0, 4, 1, 5),
    q = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const r = v128.shuffle<u32>(a, b, 2, 6, 3, 7),
    s = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(p, q, 0, 2));
  if (n > 1) v128.store(to + step, v128.shuffle<u64>(p, q, 1, 3));
  if (n > 2) v128.store(to + 2 * step, v128.shuffle<u64>(r, s, 0, 2));
  if (n > 3) v128.store(to + 3 * step, v128.shuffle<u64>(r, s, 1, 3));
}

export function packF32(x: usize, bytes: usize, count: usize, from: i32, w: usize, cols: usize, spare: usize): void {
  const zero = i32x4.splat(0);
  for (let k: usize = 0; k < cols; k += 4, w += 128) {
    const n = min<usize>(4, cols - k);
    for (let r: usize = 0; r < 8; r += 4) {
      const at = x + r * bytes;
      const a = r < count ? floats(four(at, k, n, from, spare), from) : zero;
      const b = r + 1 < count ? floats(four(at + bytes, k, n, from, spare), from) : zero;
      const c = r + 2 < count ? floats(four(at + 2 * bytes, k, n, from, spare), from) : zero;
      const d = r + 3 < count ? floats(four(at + 3 * bytes, k, n, from, spare), from) : zero;
      transpose(a, b, c, d, w + (r << 2), 32, n);
    }
  }
}

export function packF16(x: usize, bytes: usize, count: usize, from: i32, w: usize, cols: usize, spare: usize): void {
  for (let k: usize = 0; k < cols; k += 4, w += 64) {
    const n = min<usize>(4, cols - k);
    const a = twoRows(x, bytes, 0, count, k, n, from, spare);
    const b = twoRows(x, bytes, 1, count, k, n, from, spare);
    const c = twoRows(x, bytes, 2, count, k, n, from, spare);
    const d = twoRows(x, bytes, 3, count, k, n, from, spare);
    transpose(a, b, c, d, w, 16, n);
  }
}

/** Half floats of row r in the low, of row r + 4 in the high half-words. */
function twoRows(x: usize, bytes: usize, r: usize, count: usize, k: usize, n: usize, from: i32, spare: usize): v128 {
  const low = r < count ? halves(four(x + r * bytes, k, n, from, spare), from) : i32x4.splat(0);
  const high = r + 4 < count ? halves(four(x + (r + 4) * bytes, k, n, from, spare), from) : i32x4.splat(0);
  return v128.or(low, i32x4.shl(high, 16));
}

export function packQ8(x: usize, bytes: usize, count: usize, from: i32, w: usize, blocks: usize, spare: usize): void {
  for (let b: usize = 0; b < blocks; b++, w += Q8_GROUP) {
    if (from == FROM_Q8_0) packBlock(x + b * 34, bytes, count, w, 8, 0x80808080);
    else {
      for (let r: usize = 0; r < count; r++) blockQ8(block(x + r * bytes, b, from, spare), spare + 144 + r * 34);
      packBlock(spare + 144, 34, count, w, 8, 0x80808080);
    }
  }
}

export function packQ4(x: usize, bytes: usize, count: usize, from: i32, w: usize, blocks: usize, spare: usize): void {
  for (let b: usize = 0; b < blocks; b++, w += Q4_GROUP) {
    if (from == FROM_Q4_0) packBlock(x + b * 18, bytes, count, w, 4, 0);
    else {
      for (let r: usize = 0; r < count; r++) blockQ4(block(x + r * bytes, b, from, spare), spare + 144 + r * 18);
      packBlock(spare + 144, 18, count, w, 4, 0);
    }
  }
}

/** Address of block b of a row as 32 floats. */
function block(at: usize, b: usize, from: i32, spare: usize): usize {
  for (let i: usize = 0; i < 32; i += 4) v128.store(spare + (i << 2), floats(four(at, (b << 5) + i, 4, from, spare), from), 16);
  return spare + 16;
}

/** Nearest half float of one value. */
export function halfBits(f: f32): u16 {
  return <u16>i32x4.extract_lane(halves(f32x4.splat(f), FROM_F32), 0);
}

/** A block of 8 rows, in the file a half float and `words` words: the words become lanes. `flip`: bits that change. */
function packBlock(x: usize, bytes: usize, count: usize, w: usize, words: usize, flip: u32): void {
  for (let r: usize = 0; r < 8; r++, x += bytes) {
    const there = r < count;
    store<u16>(w + ((r & 3) << 2) + ((r >> 2) << 1), there ? load<u16>(x) : 0);
    const to = w + (r << 2);
    for (let p: usize = 0; p < words; p++) store<u32>(to + (p << 5), there ? load<u32>(x + (p << 2), 2) ^ flip : 0, 16);
  }
}
