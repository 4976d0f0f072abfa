// 32 floats to one block as files hold it, byte for byte what GGUF's default quantizer writes. One function per stored type.

import { halfBits } from './pack.ts';

/** Q8_0: d = max|x| / 127, q = x / d rounded half away from zero. */
export function blockQ8(x: usize, to: usize): void {
  const d = abs(largest(x)) / 127;
  const inverse = f32x4.splat(d != 0 ? <f32>1 / d : 0);
  store<u16>(to, halfBits(d));
  for (let i: usize = 0; i < 32; i += 8) {
    const q = i16x8.narrow_i32x4_s(away(f32x4.mul(v128.load(x), inverse)), away(f32x4.mul(v128.load(x, 16), inverse)));
    v128.store64_lane(to + i, i8x16.narrow_i16x8_s(q, q), 0, 2);
    x += 32;
  }
}

/** Q4_0: d = m / -8, m the value of largest magnitude with its sign, q = min(15, x / d + 8.5). */
export function blockQ4(x: usize, to: usize): void {
  const d = largest(x) / -8;
  const inverse = f32x4.splat(d != 0 ? <f32>1 / d : 0);
  store<u16>(to, halfBits(d));
  for (let i: usize = 0; i < 16; i += 8) {
    const a = v128.or(level(v128.load(x), inverse), i32x4.shl(level(v128.load(x, 64), inverse), 4));
    const b = v128.or(level(v128.load(x, 16), inverse), i32x4.shl(level(v128.load(x, 80), inverse), 4));
    const q = i16x8.narrow_i32x4_s(a, b);
    v128.store64_lane(to + i, i8x16.narrow_i16x8_u(q, q), 0, 2);
    x += 32;
  }
}

/** The value of largest magnitude among 32, the first of equals. */
function largest(x: usize): f32 {
  let m = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.max(m, f32x4.abs(v128.load(x + i)));
  m = f32x4.max(m, v128.shuffle<u64>(m, m, 1, 0));
  const size = max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
  for (let i: usize = 0; i < 128; i += 4) if (abs(load<f32>(x + i)) == size) return load<f32>(x + i);
  return size; // NaN
}

/** Integers, halves away from zero. */
function away(v: v128): v128 {
  const t = f32x4.trunc(v);
  const half = f32x4.ge(f32x4.abs(f32x4.sub(v, t)), f32x4.splat(0.5));
  return i32x4.trunc_sat_f32x4_s(f32x4.add(t, v128.and(half, v128.bitselect(v, f32x4.splat(1), i32x4.splat(0x80000000)))));
}

function level(x: v128, inverse: v128): v128 {
  return i32x4.min_s(i32x4.splat(15), i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(x, inverse), f32x4.splat(8.5))));
}
