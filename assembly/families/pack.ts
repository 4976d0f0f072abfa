// Stored rows to packed layouts, one group of 8 rows at a time.

import { FROM_BF16, FROM_F16, FROM_F32 } from '../storage.ts';

/** A stored float, whatever its type. */
function float(at: usize, k: usize, from: i32): f32 {
  if (from == FROM_F32) return load<f32>(at + (k << 2));
  if (from == FROM_BF16) return reinterpret<f32>((<u32>load<u16>(at + (k << 1))) << 16);
  return halfToFloat(load<u16>(at + (k << 1)));
}

function halfToFloat(h: u32): f32 {
  const f = reinterpret<f32>((h & 0x7fff) << 13) * reinterpret<f32>(0x77800000);
  const bits = (h & 0x7c00) == 0x7c00 ? 0x7f800000 | ((h & 0x3ff) << 13) : reinterpret<u32>(f);
  return reinterpret<f32>(bits | ((h & 0x8000) << 16));
}

/** Nearest half float, ties to even; overflow becomes the largest finite one. */
function floatToHalf(f: f32): u32 {
  const bits = reinterpret<u32>(f);
  const sign = (bits >> 16) & 0x8000;
  const m = bits & 0x7fffffff;
  if (m >= 0x477ff000) return sign | 0x7bff;
  if (m < 0x38800000) return sign | (reinterpret<u32>(reinterpret<f32>(m) + 0.5) - 0x3f000000);
  return sign | ((m - 0x38000000 + 0xfff + ((m >> 13) & 1)) >> 13);
}

export function packF32(x: usize, bytes: usize, count: i32, from: i32, w: usize, cols: usize): void {
  for (let k: usize = 0; k < cols; k++) {
    for (let r = 0; r < 8; r++) store<f32>(w + (k << 5) + ((<usize>r) << 2), r < count ? float(x + <usize>r * bytes, k, from) : 0);
  }
}

export function packF16(x: usize, bytes: usize, count: i32, from: i32, w: usize, cols: usize): void {
  for (let k: usize = 0; k < cols; k++) {
    for (let r = 0; r < 8; r++) {
      const at = x + <usize>r * bytes;
      const h = r >= count ? 0 : from == FROM_F16 ? <u32>load<u16>(at + (k << 1)) : floatToHalf(float(at, k, from));
      store<u16>(w + (k << 4) + halfPlace(r), h);
    }
  }
}

function halfPlace(r: i32): usize {
  return ((<usize>(r & 3)) << 2) + ((<usize>(r >> 2)) << 1);
}

export function packQ8(x: usize, bytes: usize, count: i32, from: i32, w: usize, blocks: usize): void {
  for (let b: usize = 0; b < blocks; b++, w += 272) {
    for (let r = 0; r < 8; r++) {
      const at = x + <usize>r * bytes + b * 34;
      store<u16>(w + halfPlace(r), r < count ? load<u16>(at) : 0);
      for (let p: usize = 0; p < 8; p++) {
        store<u32>(w + (p << 5) + ((<usize>r) << 2), r < count ? load<u32>(at + (p << 2), 2) ^ 0x80808080 : 0, 16);
      }
    }
  }
}

export function packQ4(x: usize, bytes: usize, count: i32, from: i32, w: usize, blocks: usize): void {
  for (let b: usize = 0; b < blocks; b++, w += 144) {
    for (let r = 0; r < 8; r++) {
      const at = x + <usize>r * bytes + b * 18;
      store<u16>(w + halfPlace(r), r < count ? load<u16>(at) : 0);
      for (let p: usize = 0; p < 4; p++) {
        store<u32>(w + (p << 5) + ((<usize>r) << 2), r < count ? load<u32>(at + (p << 2), 2) : 0, 16);
      }
    }
  }
}
