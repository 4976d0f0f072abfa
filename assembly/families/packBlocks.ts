// GGUF's blocks, as files hold them, to the layouts of blocks.ts: one group of 8 rows, of which `count` are there. The others become zeros.

import * as storage from '../storage.ts';
import { bitsOf, blockBytes, blocksPerSuper, hasMins, headBytes, isSuper, perSixteen, scaleBytes, scalesAt } from './blocks.ts';
import { halfOf } from './constants.ts';

/** Bytes of a stored block or super-block. */
function storedBytes(packed: i32): usize {
  switch (packed) {
    case storage.PACKED_Q4_1:
      return 20;
    case storage.PACKED_Q5_0:
      return 22;
    case storage.PACKED_Q5_1:
      return 24;
    case storage.PACKED_IQ4_NL:
      return 18;
    case storage.PACKED_Q4_K:
      return 144;
    case storage.PACKED_Q5_K:
      return 176;
    case storage.PACKED_IQ4_XS:
      return 136;
    case storage.PACKED_Q6_K:
      return 210;
    case storage.PACKED_Q3_K:
      return 110;
    default:
      return 84;
  }
}

/** Offset of d in a stored block. */
function scaleAt(packed: i32): usize {
  switch (packed) {
    case storage.PACKED_Q6_K:
      return 208;
    case storage.PACKED_Q3_K:
      return 108;
    case storage.PACKED_Q2_K:
      return 80;
    default:
      return 0;
  }
}

export function packBlocks(packed: i32, x: usize, rowBytes: usize, count: usize, w: usize, blocks: usize, spare: usize): void {
  const per = blocksPerSuper(packed),
    head = headBytes(packed),
    bytes = blockBytes(packed);
  const stored = storedBytes(packed),
    d = scaleAt(packed);
  const scales = scalesAt(packed),
    step: usize = perSixteen(packed) ? 16 : 8;
  for (let s: usize = 0; s < blocks; s += per, x += stored, w += head + per * bytes) {
    if (count < 8) memory.fill(w, 0, head + per * bytes);
    for (let r: usize = 0; r < count; r++) {
      const from = x + r * rowBytes;
      store<u16>(w + halfOf(r), load<u16>(from + d));
      if (hasMins(packed)) store<u16>(w + 16 + halfOf(r), load<u16>(from + d, 2));
      for (let b: usize = 0; b < per; b++) {
        if (isSuper(packed)) packScales(packed, from, b, w + scales + b * step + r);
        readLevels(packed, from, b, spare);
        writeLevels(bitsOf(packed), spare, w + head + b * bytes + (r << 2));
      }
    }
  }
}

/** The 6-bit scale (min: `at` + 4) of sub-block b of Q4_K and Q5_K. */
function sixBits(at: usize, b: usize, min: usize): u32 {
  if (b < 4) return <u32>load<u8>(at + b + 4 * min) & 63;
  const low = <u32>load<u8>(at + b + 4);
  return (min ? low >> 4 : low & 15) | ((<u32>load<u8>(at + b - 4 + 4 * min) >> 6) << 4);
}

/** The 6-bit scale of 16 columns of Q3_K. */
function q3Scale(at: usize, g: usize): u32 {
  const low = g < 8 ? <u32>load<u8>(at + g) & 15 : <u32>load<u8>(at + g - 8) >> 4;
  return (low | (((<u32>load<u8>(at + 8 + (g & 3)) >> ((<u32>g >> 2) << 1)) & 3) << 4)) - 32;
}

function packScales(packed: i32, x: usize, b: usize, to: usize): void {
  switch (packed) {
    case storage.PACKED_Q4_K:
    case storage.PACKED_Q5_K:
      store<u8>(to, sixBits(x + 4, b, 0));
      store<u8>(to + scaleBytes(packed), sixBits(x + 4, b, 1));
      break;
    case storage.PACKED_IQ4_XS: {
      const low = (<u32>load<u8>(x + 4 + (b >> 1)) >> ((<u32>b & 1) << 2)) & 15;
      store<u8>(to, (low | (((<u32>load<u16>(x, 2) >> ((<u32>b) << 1)) & 3) << 4)) - 32);
      break;
    }
    case storage.PACKED_Q3_K:
      store<u8>(to, q3Scale(x + 96, 2 * b));
      store<u8>(to, q3Scale(x + 96, 2 * b + 1), 8);
      break;
    default: {
      const from = x + (packed == storage.PACKED_Q6_K ? 192 : 0) + 2 * b;
      store<u8>(to, load<u8>(from));
      store<u8>(to, load<u8>(from, 1), 8);
      break;
    }
  }
}

/** Levels of block b of a stored row, one byte each. */
function readLevels(packed: i32, x: usize, b: usize, to: usize): void {
  const nibbles = i8x16.splat(15),
    crumbs = i8x16.splat(3);
  const half = b >> 2,
    run = <i32>(b & 3);
  switch (packed) {
    case storage.PACKED_Q4_K:
    case storage.PACKED_Q5_K: {
      const from = x + (packed == storage.PACKED_Q4_K ? 16 : 48) + 32 * (b >> 1);
      const shift = <i32>((b & 1) << 2);
      for (let i: usize = 0; i < 32; i += 16) {
        let q = v128.and(i16x8.shr_u(v128.load(from + i), shift), nibbles);
        if (packed == storage.PACKED_Q5_K)
          q = v128.or(q, i8x16.shl(v128.and(i16x8.shr_u(v128.load(x + i, 16), <i32>b), i8x16.splat(1)), 4));
        v128.store(to + i, q);
      }
      break;
    }
    case storage.PACKED_Q6_K: {
      const from = x + 64 * half + 32 * (b & 1);
      for (let i: usize = 0; i < 32; i += 16) {
        const q = v128.and(i16x8.shr_u(v128.load(from + i), (run >> 1) << 2), nibbles);
        const high = v128.and(i16x8.shr_u(v128.load(x + 32 * half + i, 128), 2 * run), crumbs);
        v128.store(to + i, v128.or(q, i8x16.shl(high, 4)));
      }
      break;
    }
    case storage.PACKED_Q3_K:
    case storage.PACKED_Q2_K: {
      const from = x + (packed == storage.PACKED_Q3_K ? 32 : 16) + 32 * half;
      for (let i: usize = 0; i < 32; i += 16) {
        let q = v128.and(i16x8.shr_u(v128.load(from + i), 2 * run), crumbs);
        if (packed == storage.PACKED_Q3_K) q = v128.or(q, i8x16.shl(v128.and(i16x8.shr_u(v128.load(x + i), <i32>b), i8x16.splat(1)), 2));
        v128.store(to + i, q);
      }
      break;
    }
    default: {
      const from = packed == storage.PACKED_IQ4_XS ? x + 8 + 16 * b : x + storedBytes(packed) - 16;
      const n = v128.load(from);
      let low = v128.and(n, nibbles),
        high = v128.and(i16x8.shr_u(n, 4), nibbles);
      if (bitsOf(packed) == 5) {
        const bits = v128.load32_splat(from - 4);
        low = v128.or(low, fifth(i8x16.shuffle(bits, bits, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)));
        high = v128.or(high, fifth(i8x16.shuffle(bits, bits, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3)));
      }
      v128.store(to, low);
      v128.store(to, high, 16);
      break;
    }
  }
}

/** 16 where bit i & 7 of byte i is set. */
function fifth(bits: v128): v128 {
  const one = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return v128.and(i8x16.eq(v128.and(bits, one), one), i8x16.splat(16));
}

/** Writes 32 levels of one row to its lane. */
function writeLevels(bits: i32, q: usize, to: usize): void {
  const a = v128.load(q),
    b = v128.load(q, 16);
  if (bits >= 4) {
    // What of words 4..7 does not fit above words 0..3.
    const rest = 2 * bits - 8,
      all: i32 = (1 << bits) - 1,
      low: i32 = (1 << rest) - 1;
    const n = v128.or(v128.and(a, i8x16.splat(<i8>all)), i8x16.shl(i8x16.shr_u(b, rest), bits));
    store<u32>(to, i32x4.extract_lane(n, 0));
    store<u32>(to, i32x4.extract_lane(n, 1), 32);
    store<u32>(to, i32x4.extract_lane(n, 2), 64);
    store<u32>(to, i32x4.extract_lane(n, 3), 96);
    const p = v128.and(b, i8x16.splat(<i8>low));
    if (bits == 5) store<u32>(to, fold(p, 2), 128);
    if (bits == 6) {
      store<u32>(to, <u32>i32x4.extract_lane(p, 0) | ((<u32>i32x4.extract_lane(p, 1)) << 4), 128);
      store<u32>(to, <u32>i32x4.extract_lane(p, 2) | ((<u32>i32x4.extract_lane(p, 3)) << 4), 160);
    }
    return;
  }
  const crumbs = i8x16.splat(3);
  store<u32>(to, fold(v128.and(a, crumbs), 2));
  store<u32>(to, fold(v128.and(b, crumbs), 2), 32);
  if (bits == 3) store<u32>(to, fold(i8x16.shr_u(a, 2), 1) | (fold(i8x16.shr_u(b, 2), 1) << 4), 64);
}

/** The four words, each `by` bits above the one before. */
function fold(v: v128, by: u32): u32 {
  return (
    <u32>i32x4.extract_lane(v, 0) |
    ((<u32>i32x4.extract_lane(v, 1)) << by) |
    ((<u32>i32x4.extract_lane(v, 2)) << (2 * by)) |
    ((<u32>i32x4.extract_lane(v, 3)) << (3 * by))
  );
}
