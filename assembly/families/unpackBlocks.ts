// Blocks (blocks.ts) to the panels that tiles read (layouts.ts). 32-column blocks with mins have those in a panel of f32.

import * as storage from '../storage.ts';
import {
  bitsOf,
  blockBytes,
  blocksPerSuper,
  hasMins,
  hasTable,
  headBytes,
  isSuper,
  perSixteen,
  scaleBytes,
  scalesAt,
  zeroOf,
} from './blocks.ts';
import {
  BYTES,
  HALF_MASK,
  HALF_SCALE,
  halvesHigh,
  halvesLow,
  LEVEL,
  LEVELS_HIGH,
  LEVELS_LOW,
  OFFSET,
  PLANE,
  START,
  TOP,
} from './constants.ts';
import { PANEL_BLOCK, SUPER_HEAD, WORDS } from './layouts.ts';

/** From one word of a panel to the next. */
const WORD: usize = WORDS << 2;
/** Half a panel of 32 columns. */
const HALF: usize = 4 * WORD;

/** What unpacking needs, beside constants(). */
export function blockConstants(c: usize, packed: i32): void {
  const bits = bitsOf(packed);
  // Q5_1 counts from 16, too: its mins take that back. Levels from 0 on would not fit the tiles' 16-bit sums.
  const middle = bits == 5 && !isSuper(packed) ? 16 : zeroOf(packed);
  const start = bits == 5 ? 2 : 1;
  // Super-blocks' sums of 16 columns start at -32 times the activations, or at 0.
  const raised = isSuper(packed) ? (packed == storage.PACKED_Q3_K ? 28 : 0) : 8 * start - middle;
  v128.store(c, i16x8.splat(<i16>start), START);
  const all: i32 = bits < 4 ? 3 : (1 << bits) - 1,
    rest: i32 = bits < 4 ? 4 : (1 << (2 * bits - 8)) - 1;
  v128.store(c, i8x16.splat(<i8>all), LEVEL);
  v128.store(c, i8x16.splat(<i8>(all - rest)), TOP);
  v128.store(c, i8x16.splat(<i8>rest), PLANE);
  v128.store(c, ASC_FEATURE_RELAXED_SIMD ? i8x16.splat(<i8>raised) : i16x8.splat(<i16>middle), OFFSET);
  const levels = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  const above = v128.xor(levels, i8x16.splat(-128));
  v128.store(c, ASC_FEATURE_RELAXED_SIMD ? v128.and(above, i8x16.splat(15)) : levels, LEVELS_LOW);
  v128.store(c, i8x16.shr_u(above, 4), LEVELS_HIGH);
}

/** Units of a super-block's panel: 16 columns where 16-bit sums or scales end there. Tables are two planes, one after the other. */
export function unitsOf(packed: i32): usize {
  if (perSixteen(packed)) return 16;
  return ASC_FEATURE_RELAXED_SIMD && packed != storage.PACKED_Q4_K ? 16 : 8;
}

/** Vectors of 4 rows in a unit are twice as many. */
export function wordsOf(packed: i32): usize {
  if (!isSuper(packed)) return WORDS;
  return perSixteen(packed) || (ASC_FEATURE_RELAXED_SIMD && packed == storage.PACKED_Q5_K) ? WORDS >> 1 : WORDS;
}

/** Unpacks `count` super-blocks from number `first` of a group on. */
export function unpackBlocks(packed: i32, w: usize, first: usize, count: usize, panel: usize, mins: usize, c: usize): void {
  const per = blocksPerSuper(packed);
  const bytes = blockBytes(packed),
    head = headBytes(packed);
  const size = head + per * bytes;
  const bits = bitsOf(packed);
  const wide = isSuper(packed);
  const unit: usize = 32 + (wordsOf(packed) << 5);
  for (let s = w + first * size, end = s + count * size; s < end; s += size, mins += 32) {
    let to = panel;
    if (wide) {
      superScales(packed, s, panel, unit, c);
      to += SUPER_HEAD;
    } else blockScales(packed, s, panel, mins, c);
    // From columns 0..15 to 16..31.
    const far: usize = wordsOf(packed) < WORDS ? unit : HALF;
    const step: usize = wide ? (unitsOf(packed) >> 3) * unit : ASC_FEATURE_RELAXED_SIMD && hasTable(packed) ? 544 : PANEL_BLOCK;
    for (let v = s + head, last = s + size; v < last; v += bytes, to += step) {
      if (hasTable(packed)) tableLevels(v, to + 32, wide, unit, c);
      else if (bits < 4) crumbs(bits, v, to + 32, far, c);
      else levels(bits, v, to + 32, far, c);
    }
    panel = to;
  }
}

/** f32 scales of 8 rows, and what activations' sums are multiplied by. */
function blockScales(packed: i32, s: usize, panel: usize, mins: usize, c: usize): void {
  const mask = v128.load(c, HALF_MASK),
    by = v128.load(c, HALF_SCALE);
  let h = v128.load(s);
  const lo = halvesLow(h, mask, by),
    hi = halvesHigh(h, mask, by);
  v128.store(panel, lo);
  v128.store(panel, hi, 16);
  if (!hasMins(packed)) return;
  h = v128.load(s, 16);
  const sixteen = f32x4.splat(packed == storage.PACKED_Q5_1 ? 16 : 0);
  v128.store(mins, f32x4.add(halvesLow(h, mask, by), f32x4.mul(lo, sixteen)));
  v128.store(mins, f32x4.add(halvesHigh(h, mask, by), f32x4.mul(hi, sixteen)), 16);
}

/** The head of a super-block's panel and the scales of its units. */
function superScales(packed: i32, s: usize, panel: usize, unit: usize, c: usize): void {
  const mask = v128.load(c, HALF_MASK),
    by = v128.load(c, HALF_SCALE);
  let h = v128.load(s);
  v128.store(panel, halvesLow(h, mask, by));
  v128.store(panel, halvesHigh(h, mask, by), 16);
  h = v128.load(s, 16);
  v128.store(panel, halvesLow(h, mask, by), 32);
  v128.store(panel, halvesHigh(h, mask, by), 48);

  const nibbles = packed == storage.PACKED_Q2_K;
  const planes = ASC_FEATURE_RELAXED_SIMD && hasTable(packed);
  const scales = s + scalesAt(packed),
    count = scaleBytes(packed);
  let to = panel + 64;
  for (let i: usize = 0; i < count; i += 16, to += 32) {
    // Mins, or what levels above -128 are too large by.
    let p: v128, q: v128;
    if (planes) {
      p = i16x8.shl(v128.load8x8_s(scales + i), 7);
      q = i16x8.shl(v128.load8x8_s(scales + i, 8), 7);
    } else {
      const at = scales + i + (nibbles ? 0 : count);
      p = i16x8.shr_u(v128.load8x8_u(at), nibbles ? 4 : 0);
      q = i16x8.shr_u(v128.load8x8_u(at, 8), nibbles ? 4 : 0);
    }
    v128.store(to, lower(p, q));
    v128.store(to, upper(p, q), 16);
  }
  const repeat: usize = planes || (ASC_FEATURE_RELAXED_SIMD && packed == storage.PACKED_Q5_K) ? 2 : 1;
  to = panel + SUPER_HEAD;
  for (let i: usize = 0; i < count; i += 8) {
    let q = nibbles ? v128.and(v128.load8x8_u(scales + i), i16x8.splat(15)) : v128.load8x8_s(scales + i);
    for (let n: usize = 0; n < repeat; n++, to += unit) {
      if (ASC_FEATURE_RELAXED_SIMD) {
        v128.store(to, lower(q, q));
        v128.store(to, upper(q, q), 16);
      } else {
        v128.store(to, i32x4.extend_low_i16x8_s(q));
        v128.store(to, i32x4.extend_high_i16x8_s(q), 16);
      }
      if (planes) q = i16x8.shl(q, 4);
    }
  }
}

/** Rows 0..3 of a and b, in turns. */
export function lower(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Rows 4..7 of a and b, in turns. */
export function upper(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
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

/** Two planes in the relaxed build, of a word or (wide) of a unit each; 16-bit values in the plain one. */
function tableLevels(v: usize, to: usize, wide: bool, unit: usize, c: usize): void {
  const mask = v128.load(c, LEVEL);
  const step: usize = ASC_FEATURE_RELAXED_SIMD && wide ? 32 : 64,
    plane = ASC_FEATURE_RELAXED_SIMD && wide ? unit : 32;
  for (const end = v + 128; v < end; v += 32, to += step) {
    for (let h: usize = 0; h < 32; h += 16) {
      const n = v128.load(v + h);
      putLevel(to + h, v128.and(n, mask), plane, c);
      putLevel(to + h + 4 * step, v128.and(i16x8.shr_u(n, 4), mask), plane, c);
    }
  }
}

function putLevel(to: usize, q: v128, plane: usize, c: usize): void {
  const v = i8x16.swizzle(v128.load(c, LEVELS_LOW), q);
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(to, v);
    v128.store(to + plane, i8x16.swizzle(v128.load(c, LEVELS_HIGH), q));
  } else {
    v128.store(to, i16x8.shr_s(i16x8.shl(v, 8), 8));
    v128.store(to, i16x8.shr_s(v, 8), 32);
  }
}

function levels(bits: i32, v: usize, to: usize, far: usize, c: usize): void {
  const low = v128.load(c, LEVEL),
    top = v128.load(c, TOP),
    plane = v128.load(c, PLANE);
  for (const end = v + 32; v < end; v += 16, to += 16) {
    for (let p: usize = 0; p < 4; p++) {
      const n = v128.load(v + (p << 5));
      put(to + p * WORD, v128.and(n, low), c);
      let q = v128.and(i16x8.shr_u(n, 8 - bits), top);
      if (bits > 4) {
        const rest =
          bits == 5 ? i16x8.shr_u(v128.load(v, 128), (<i32>p) << 1) : i16x8.shr_u(v128.load(v + ((p >> 1) << 5), 128), (<i32>(p & 1)) << 2);
        q = v128.or(q, v128.and(rest, plane));
      }
      put(to + p * WORD + far, q, c);
    }
  }
}

function crumbs(bits: i32, v: usize, to: usize, far: usize, c: usize): void {
  const mask = v128.load(c, LEVEL),
    extra = v128.load(c, PLANE);
  for (const end = v + 32; v < end; v += 16, to += 16) {
    let a = v128.load(v),
      b = v128.load(v, 32);
    let d = i32x4.splat(0),
      e = d;
    if (bits == 3) {
      e = v128.load(v, 64);
      d = i16x8.shl(e, 2);
      e = i16x8.shr_u(e, 2);
    }
    for (let at = to, last = to + 4 * WORD; at < last; at += WORD) {
      put(at, v128.or(v128.and(a, mask), v128.and(d, extra)), c);
      put(at + far, v128.or(v128.and(b, mask), v128.and(e, extra)), c);
      a = i16x8.shr_u(a, 2);
      b = i16x8.shr_u(b, 2);
      d = i16x8.shr_u(d, 1);
      e = i16x8.shr_u(e, 1);
    }
  }
}
