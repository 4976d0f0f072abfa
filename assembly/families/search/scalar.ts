// What a super-block does with the scales of its groups: one number after the other, in float32.

import { LEAST, PASSES } from './lanes.ts';

/** Binary16 bits, nearest even, too large to infinity. */
export function halfOf(value: f32): u16 {
  const bits = reinterpret<u32>(value);
  const sign = (bits >> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return <u16>(sign | 0x7e00);
  if (size >= 0x477ff000) return <u16>(sign | 0x7c00);
  // Below 2^-14: in units of 2^-24.
  if (size < 0x38800000) return <u16>(sign | <u32>nearest<f32>(reinterpret<f32>(size) * 16777216));
  return <u16>(sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13));
}

/** Stores a number as binary16; returns what was stored. */
export function putHalf(to: usize, value: f32): f32 {
  const bits = <u32>halfOf(value);
  store<u16>(to, <u16>bits);
  const sign: f32 = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent == 0) return sign * (<f32>fraction / 16777216);
  if (exponent == 31) return fraction ? NaN : sign * Infinity;
  return sign * reinterpret<f32>(((exponent + 112) << 23) | (fraction << 13));
}

/** The value of largest magnitude, the first of equals. */
export function extremeOf(x: usize, count: i32): f32 {
  let most: f32 = 0;
  let value: f32 = 0;
  for (let i = 0; i < count; i++) {
    const v = load<f32>(x + 4 * i);
    if (abs(v) > most) {
      most = abs(v);
      value = v;
    }
  }
  return value;
}

/** Sum of squares, one after the other. */
export function squaresOf(x: usize, count: i32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < count; i++) sum += load<f32>(x + 4 * i) * load<f32>(x + 4 * i);
  return sum;
}

/** Rounds `groups` scales (or minima) to levels 0..top, u8; returns the scale of all. With `weights`, by a search. */
export function roundTogether(groups: i32, top: i32, values: usize, levels: usize, weights: usize): f32 {
  if (weights) return positive(groups, <f32>top, values, weights, levels);
  let most: f32 = 0;
  for (let g = 0; g < groups; g++) most = max(most, load<f32>(values + 4 * g));
  const inverse: f32 = most > 0 ? <f32>top / most : 0;
  for (let g = 0; g < groups; g++) store<u8>(levels + g, <u8>(<i32>min(<f32>top, nearest(inverse * load<f32>(values + 4 * g)))));
  return most / <f32>top;
}

/** Levels 0..n of values that are not negative: the best of nine scales, then single levels are moved. */
function positive(count: i32, n: f32, x: usize, weights: usize, levels: usize): f32 {
  let most: f32 = 0;
  for (let i = 0; i < count; i++) most = max(most, load<f32>(x + 4 * i));
  if (most < LEAST) {
    memory.fill(levels, 0, count);
    return 0;
  }
  let inverse: f32 = 0;
  let best: f32 = 0;
  for (let k = 0; k < 9; k++) {
    const t: f32 = k == 0 ? 0 : <f32>(k < 5 ? k - 5 : k - 4);
    const tried = (<f32>0.1 * t + n) / most;
    const scale: f32 = 1 / tried;
    let error: f32 = 0;
    for (let i = 0; i < count; i++) {
      const v = load<f32>(x + 4 * i);
      const difference = v - scale * min(n, nearest(tried * v));
      error += load<f32>(weights + 4 * i) * difference * difference;
    }
    if (k == 0 || error < best) {
      best = error;
      inverse = tried;
    }
  }
  let sx: f32 = 0;
  let s2: f32 = 0;
  for (let i = 0; i < count; i++) {
    const w = load<f32>(weights + 4 * i);
    const l = min(n, nearest(inverse * load<f32>(x + 4 * i)));
    store<u8>(levels + i, <u8>(<i32>l));
    sx += w * load<f32>(x + 4 * i) * l;
    s2 += w * l * l;
  }
  for (let pass = 0; pass < PASSES; pass++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const w = load<f32>(weights + 4 * i);
      const v = load<f32>(x + 4 * i);
      const l = <f32>load<u8>(levels + i);
      let a = sx - w * v * l;
      let b = s2 - w * l * l;
      if (!(a > 0 && b > 0)) continue;
      const to = min(n, nearest((v * b) / a));
      if (to == l) continue;
      a += w * v * to;
      b += w * to * to;
      if (a * a * s2 > sx * sx * b) {
        store<u8>(levels + i, <u8>(<i32>to));
        sx = a;
        s2 = b;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return s2 > 0 ? sx / s2 : 0;
}
