// One row of blocks (blocks.ts) to floats, each rounded as GGUF's definition says.

import * as storage from '../storage.ts';
import { bitsOf, blockBytes, blocksPerSuper, hasMins, hasTable, headBytes, perSixteen, scaleBytes, zeroOf } from './blocks.ts';
import { half, halfOf } from './constants.ts';

export function embedBlocks(packed: i32, w: usize, lane: usize, y: usize, cols: usize): void {
  const per = blocksPerSuper(packed),
    head = headBytes(packed),
    bytes = blockBytes(packed);
  for (const end = y + (cols << 2); y < end; w += head + per * bytes) {
    const d = half(load<i16>(w + halfOf(lane)));
    const m: f32 = hasMins(packed) ? half(load<i16>(w + halfOf(lane), 16)) : 0;
    for (let b: usize = 0; b < per; b++, y += 128) block(packed, w + head + b * bytes, lane, y, d, m);
  }
}

function block(packed: i32, w: usize, lane: usize, y: usize, d: f32, m: f32): void {
  const bits = bitsOf(packed),
    zero = zeroOf(packed),
    v = w + scaleBytes(packed) + (lane << 2);
  for (let i: usize = 0; i < 32; i++) {
    let s = d,
      min = -m;
    if (packed >= storage.PACKED_Q4_K) {
      const q = <i32>load<i8>(w + lane + (perSixteen(packed) ? (i >> 4) << 3 : 0));
      if (packed == storage.PACKED_Q2_K) {
        s *= <f32>(q & 15);
        min = m * <f32>((q >> 4) & 15);
      } else {
        s *= <f32>q;
        if (hasMins(packed)) min = m * <f32>load<u8>(w + lane, 8);
      }
    }
    const q = level(bits, v, i);
    const value = <f32>(hasTable(packed) ? tableLevel(q) : q - zero) * s;
    store<f32>(y + (i << 2), hasMins(packed) ? value - min : value);
  }
}

/** Level of column i of a block. */
function level(bits: i32, v: usize, i: usize): i32 {
  const word = <u32>(i >> 2),
    j = i & 3;
  if (bits < 4) {
    const q = (<i32>load<u8>(v + ((<usize>word >> 2) << 5) + j) >> (2 * (word & 3))) & 3;
    return bits == 2 ? q : q | (((<i32>load<u8>(v + j, 64) >> word) & 1) << 2);
  }
  const q = (<i32>load<u8>(v + ((<usize>word & 3) << 5) + j) >> (word & 4)) & 15;
  if (bits == 4) return q;
  if (bits == 5) return q | (((<i32>load<u8>(v + j, 128) >> word) & 1) << 4);
  return q | (((<i32>load<u8>(v + ((<usize>word >> 2) << 5) + j, 128) >> (2 * (word & 3))) & 3) << 4);
}

/** -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113, a byte each: kernels have no tables. */
function tableLevel(q: i32): i32 {
  const bytes: u32 = q < 4 ? 0xbfad9881 : q < 8 ? 0xf6eaddcf : q < 12 ? 0x26190d01 : 0x71594535;
  return <i32>(<i8>(bytes >> ((<u32>(q & 3)) << 3)));
}
