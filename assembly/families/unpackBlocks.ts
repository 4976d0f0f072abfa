// Blocks (blocks.ts) to the panels that tiles read (layouts.ts), with the mins, where there are any, in a panel of f32.

import * as storage from '../storage.ts';
import { bitsOf, blockBytes, blocksPerSuper, hasMins, hasTable, headBytes, perSixteen, scaleBytes, zeroOf } from './blocks.ts';
import {
  BYTES,
  CRUMBS,
  EXTRA,
  HALF_MASK,
  HALF_SCALE,
  halvesHigh,
  halvesLow,
  LEVELS_HIGH,
  LEVELS_LOW,
  NIBBLE_BYTES,
  OFFSET,
  START,
} from './constants.ts';
import { PANEL_BLOCK, PANEL_HALF, WORDS } from './layouts.ts';

/** From one word of a panel to the next. */
const WORD: usize = WORDS << 2;

/** What unpacking needs, beside constants(). */
export function blockConstants(c: usize, packed: i32): void {
  const bits = bitsOf(packed);
  // Q5_1 and Q5_K count from 16, too: their mins take that back. Levels from 0 on would not fit the tiles' 16-bit sums.
  const middle = bits == 5 ? 16 : zeroOf(packed);
  const start = bits == 5 ? 2 : bits == 6 ? 4 : 1;
  v128.store(c, i16x8.splat(<i16>start), START);
  v128.store(c, i8x16.splat(15), NIBBLE_BYTES);
  v128.store(c, i8x16.splat(bits == 6 ? 0x30 : bits == 5 ? 0x10 : 4), EXTRA);
  v128.store(c, i8x16.splat(3), CRUMBS);
  v128.store(c, ASC_FEATURE_RELAXED_SIMD ? i8x16.splat(<i8>(8 * start - middle)) : i16x8.splat(<i16>middle), OFFSET);
  const levels = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  const raised = v128.xor(levels, i8x16.splat(-128));
  v128.store(c, ASC_FEATURE_RELAXED_SIMD ? v128.and(raised, i8x16.splat(15)) : levels, LEVELS_LOW);
  v128.store(c, i8x16.shr_u(raised, 4), LEVELS_HIGH);
}

/** Unpacks `count` blocks of 32 columns from block `first` of a group on. */
export function unpackBlocks(packed: i32, w: usize, first: usize, count: usize, panel: usize, mins: usize, c: usize): void {
  const per = blocksPerSuper(packed);
  const bytes = blockBytes(packed);
  const head = headBytes(packed);
  const scales = scaleBytes(packed);
  const size = head + per * bytes;
  const sixteen = perSixteen(packed);
  const step: usize = sixteen ? 2 * PANEL_HALF : ASC_FEATURE_RELAXED_SIMD && hasTable(packed) ? 544 : PANEL_BLOCK;
  const minStep: usize = sixteen ? 64 : 32;
  const bits = bitsOf(packed);
  let s = w + (first / per) * size;
  for (const end = panel + count * step; panel < end; s += size) {
    let b = s + head;
    for (const last = s + size; b < last; b += bytes, panel += step, mins += minStep) {
      scale(packed, s, b, panel, mins, c);
      const v = b + scales,
        to = panel + 32;
      if (hasTable(packed)) levels(v, to, c);
      else if (bits == 4) levels4(v, to, c);
      else if (bits == 5) levels5(v, to, c);
      else if (bits == 6) levels6(v, to, c);
      else if (bits == 3) levels3(v, to, c);
      else levels2(v, to, c);
    }
  }
}

/** f32 scales of 8 rows, and what activations' sums are multiplied by. */
function scale(packed: i32, s: usize, b: usize, panel: usize, mins: usize, c: usize): void {
  const mask = v128.load(c, HALF_MASK),
    by = v128.load(c, HALF_SCALE);
  let h = v128.load(s);
  const lo = halvesLow(h, mask, by),
    hi = halvesHigh(h, mask, by);
  if (packed < storage.PACKED_Q4_K) {
    v128.store(panel, lo);
    v128.store(panel, hi, 16);
    if (!hasMins(packed)) return;
    h = v128.load(s, 16);
    const sixteen = f32x4.splat(packed == storage.PACKED_Q5_1 ? 16 : 0);
    v128.store(mins, f32x4.add(halvesLow(h, mask, by), f32x4.mul(lo, sixteen)));
    v128.store(mins, f32x4.add(halvesHigh(h, mask, by), f32x4.mul(hi, sixteen)), 16);
    return;
  }
  const bytes = v128.load(b);
  if (packed == storage.PACKED_Q2_K) {
    const nibbles = v128.load(c, NIBBLE_BYTES);
    const q = v128.and(bytes, nibbles),
      m = v128.and(i16x8.shr_u(bytes, 4), nibbles);
    products(i16x8.extend_low_i8x16_s(q), lo, hi, panel);
    products(i16x8.extend_high_i8x16_s(q), lo, hi, panel + PANEL_HALF);
    h = v128.load(s, 16);
    const dl = f32x4.neg(halvesLow(h, mask, by)),
      dh = f32x4.neg(halvesHigh(h, mask, by));
    products(i16x8.extend_low_i8x16_s(m), dl, dh, mins);
    products(i16x8.extend_high_i8x16_s(m), dl, dh, mins + 32);
    return;
  }
  products(i16x8.extend_low_i8x16_s(bytes), lo, hi, panel);
  if (perSixteen(packed)) products(i16x8.extend_high_i8x16_s(bytes), lo, hi, panel + PANEL_HALF);
  else if (hasMins(packed)) {
    h = v128.load(s, 16);
    products(i16x8.extend_high_i8x16_s(bytes), f32x4.neg(halvesLow(h, mask, by)), f32x4.neg(halvesHigh(h, mask, by)), mins);
    if (packed == storage.PACKED_Q5_K) {
      const sixteen = f32x4.splat(16);
      v128.store(mins, f32x4.add(v128.load(mins), f32x4.mul(v128.load(panel), sixteen)));
      v128.store(mins, f32x4.add(v128.load(mins, 16), f32x4.mul(v128.load(panel, 16), sixteen)), 16);
    }
  }
}

function products(q: v128, lo: v128, hi: v128, to: usize): void {
  v128.store(to, f32x4.mul(lo, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q))));
  v128.store(to, f32x4.mul(hi, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q))), 16);
}

/** One word of 4 columns x 4 rows. */
function put(to: usize, q: v128, c: usize): void {
  const offset = v128.load(c, OFFSET);
  if (ASC_FEATURE_RELAXED_SIMD) v128.store(to, i8x16.add(q, offset));
  else {
    v128.store(to, i16x8.sub(v128.and(q, v128.load(c, BYTES)), offset));
    v128.store(to, i16x8.sub(i16x8.shr_u(q, 8), offset), 32);
  }
}

function putLevel(to: usize, q: v128, c: usize): void {
  const v = i8x16.swizzle(v128.load(c, LEVELS_LOW), q);
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(to, v);
    v128.store(to, i8x16.swizzle(v128.load(c, LEVELS_HIGH), q), 32);
  } else {
    v128.store(to, i16x8.shr_s(i16x8.shl(v, 8), 8));
    v128.store(to, i16x8.shr_s(v, 8), 32);
  }
}

function levels(v: usize, to: usize, c: usize): void {
  const mask = v128.load(c, NIBBLE_BYTES);
  // Two planes in the relaxed build, 16-bit values in the plain one.
  for (const end = v + 128; v < end; v += 32, to += 64) {
    for (let h: usize = 0; h < 32; h += 16) {
      const n = v128.load(v + h);
      putLevel(to + h, v128.and(n, mask), c);
      putLevel(to + h + 256, v128.and(i16x8.shr_u(n, 4), mask), c);
    }
  }
}

function levels4(v: usize, to: usize, c: usize): void {
  const mask = v128.load(c, NIBBLE_BYTES);
  for (const end = v + 128; v < end; v += 32, to += WORD) {
    const a = v128.load(v),
      b = v128.load(v, 16);
    put(to, v128.and(a, mask), c);
    put(to + 16, v128.and(b, mask), c);
    put(to + 4 * WORD, v128.and(i16x8.shr_u(a, 4), mask), c);
    put(to + 4 * WORD + 16, v128.and(i16x8.shr_u(b, 4), mask), c);
  }
}

/** Words p and p + 4 from nibbles and from bits that stand in place under the mask EXTRA. */
function both(to: usize, far: usize, n: v128, low: v128, high: v128, c: usize): void {
  const mask = v128.load(c, NIBBLE_BYTES),
    extra = v128.load(c, EXTRA);
  put(to, v128.or(v128.and(n, mask), v128.and(low, extra)), c);
  put(to + far, v128.or(v128.and(i16x8.shr_u(n, 4), mask), v128.and(high, extra)), c);
}

function levels5(v: usize, to: usize, c: usize): void {
  const far: usize = 4 * WORD;
  for (const end = v + 32; v < end; v += 16, to += 16) {
    const b = v128.load(v, 128);
    both(to, far, v128.load(v), i16x8.shl(b, 4), b, c);
    both(to + WORD, far, v128.load(v, 32), i16x8.shl(b, 3), i16x8.shr_u(b, 1), c);
    both(to + 2 * WORD, far, v128.load(v, 64), i16x8.shl(b, 2), i16x8.shr_u(b, 2), c);
    both(to + 3 * WORD, far, v128.load(v, 96), i16x8.shl(b, 1), i16x8.shr_u(b, 3), c);
  }
}

function levels6(v: usize, to: usize, c: usize): void {
  for (const end = v + 32; v < end; v += 16, to += 16) {
    const a = v128.load(v, 128),
      b = v128.load(v, 160);
    both(to, PANEL_HALF, v128.load(v), i16x8.shl(a, 4), i16x8.shl(b, 4), c);
    both(to + WORD, PANEL_HALF, v128.load(v, 32), i16x8.shl(a, 2), i16x8.shl(b, 2), c);
    both(to + 2 * WORD, PANEL_HALF, v128.load(v, 64), a, b, c);
    both(to + 3 * WORD, PANEL_HALF, v128.load(v, 96), i16x8.shr_u(a, 2), i16x8.shr_u(b, 2), c);
  }
}

function levels3(v: usize, to: usize, c: usize): void {
  const mask = v128.load(c, CRUMBS),
    extra = v128.load(c, EXTRA);
  for (const end = v + 32; v < end; v += 16, to += 16) {
    const bits = v128.load(v, 64);
    let b = i16x8.shl(bits, 2),
      e = i16x8.shr_u(bits, 2),
      at = to;
    let a = v128.load(v),
      d = v128.load(v, 32);
    for (const last = to + 4 * WORD; at < last; at += WORD) {
      put(at, v128.or(v128.and(a, mask), v128.and(b, extra)), c);
      put(at + PANEL_HALF, v128.or(v128.and(d, mask), v128.and(e, extra)), c);
      a = i16x8.shr_u(a, 2);
      d = i16x8.shr_u(d, 2);
      b = i16x8.shr_u(b, 1);
      e = i16x8.shr_u(e, 1);
    }
  }
}

function levels2(v: usize, to: usize, c: usize): void {
  const mask = v128.load(c, CRUMBS);
  for (const end = v + 32; v < end; v += 16, to += 16) {
    let a = v128.load(v),
      d = v128.load(v, 32),
      at = to;
    for (const last = to + 4 * WORD; at < last; at += WORD) {
      put(at, v128.and(a, mask), c);
      put(at + PANEL_HALF, v128.and(d, mask), c);
      a = i16x8.shr_u(a, 2);
      d = i16x8.shr_u(d, 2);
    }
  }
}
