// One row of blocks (blocks.ts) to floats, each rounded as GGUF's definition says.

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
import { half, halfOf } from './constants.ts';

export function embedBlocks(packed: i32, w: usize, lane: usize, y: usize, cols: usize): void {
  const per = blocksPerSuper(packed),
    head = headBytes(packed),
    bytes = blockBytes(packed);
  const step: usize = perSixteen(packed) ? 16 : 8;
  for (const end = y + (cols << 2); y < end; w += head + per * bytes) {
    const d = half(load<i16>(w + halfOf(lane)));
    const m: f32 = hasMins(packed) ? half(load<i16>(w + halfOf(lane), 16)) : 0;
    const scales = w + scalesAt(packed) + lane;
    for (let b: usize = 0; b < per; b++, y += 128) block(packed, w + head + b * bytes + (lane << 2), scales + b * step, y, d, m);
  }
}

function block(packed: i32, v: usize, scale: usize, y: usize, d: f32, m: f32): void {
  const bits = bitsOf(packed),
    zero = zeroOf(packed);
  for (let i: usize = 0; i < 32; i++) {
    let s = d,
      min = -m;
    if (isSuper(packed)) {
      const q = <i32>load<i8>(scale + (perSixteen(packed) ? (i >> 4) << 3 : 0));
      if (hasMins(packed) && perSixteen(packed)) {
        s *= <f32>(q & 15);
        min = m * <f32>((q >> 4) & 15);
      } else {
        s *= <f32>q;
        if (hasMins(packed)) min = m * <f32>load<u8>(scale + scaleBytes(packed));
      }
    }
    const q = level(bits, v, i);
    const value = <f32>(hasTable(packed) ? tableLevel(q) : q - zero) * s;
    store<f32>(y + (i << 2), hasMins(packed) ? value - min : value);
  }
}

/** Level of column i of a block. */
function level(bits: i32, v: usize, i: usize): i32 {
  const word = <i32>(i >> 2),
    p = word & 3;
  v += i & 3;
  if (bits < 4) {
    const q = (<i32>load<u8>(v + ((<usize>(word >> 2)) << 5)) >> (2 * p)) & 3;
    return bits == 2 ? q : q | (((<i32>load<u8>(v, 64) >> word) & 1) << 2);
  }
  const q = <i32>load<u8>(v + ((<usize>p) << 5));
  if (word < 4) return q & ((1 << bits) - 1);
  const top = (q >> bits) << (2 * bits - 8);
  if (bits == 5) return top | ((<i32>load<u8>(v, 128) >> (2 * p)) & 3);
  if (bits == 6) return top | ((<i32>load<u8>(v + ((<usize>(p >> 1)) << 5), 128) >> ((p & 1) << 2)) & 15);
  return top;
}

/** -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113, a byte each: kernels have no tables. */
function tableLevel(q: i32): i32 {
  const bytes: u32 = q < 4 ? 0xbfad9881 : q < 8 ? 0xf6eaddcf : q < 12 ? 0x26190d01 : 0x71594535;
  return <i32>(<i8>(bytes >> ((<u32>(q & 3)) << 3)));
}
