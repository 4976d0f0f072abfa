// Searches for the scale of a group: each tries several scales and keeps the one with the least weighted squared error.
//
// All in float32, sums in the order of the values, products from left to right (w*x*l is (w*x)*l): the bytes are then those of llama.cpp.

import { clamp, extreme, LEAST, rne } from './numbers.ts';

const f32 = Math.fround;
const TENTH = f32(0.1);
/** Passes of the searches that move single levels. */
const PASSES = 5;
/** The largest group. */
const MOST = 32;

const trial = new Float32Array(MOST);
const MAGIC = f32(12582912);

/**
 * Levels -n..n-1 of `count` values, scale of either sign; `levels[i]` becomes level + n.
 * @param weights of each value, from `weightsFrom` on; null: the squared value
 * @returns the scale; 0, with all levels 0, for a group of zeros
 */
export function signed(
  count: number,
  n: number,
  x: Float32Array,
  from: number,
  weights: Float32Array | null,
  weightsFrom: number,
  levels: Uint8Array,
  to: number,
): number {
  const max = extreme(x, from, count);
  if (Math.abs(max) < LEAST) {
    levels.fill(0, to, to + count);
    return 0;
  }
  let scale = 0;
  let best = 0;
  for (let k = 0; k < 19; k++) {
    // The plain scale first, then its neighbours: -9..9 without 0.
    const t = k === 0 ? 0 : k < 10 ? k - 10 : k - 9;
    const inverse = f32(-f32(n + f32(TENTH * t)) / max);
    let sx = 0;
    let s2 = 0;
    for (let i = 0; i < count; i++) {
      const v = x[from + i]!;
      const l = clamp(rne(f32(inverse * v)), -n, n - 1);
      trial[i] = l;
      const w = weights === null ? f32(v * v) : weights[weightsFrom + i]!;
      sx = f32(sx + f32(f32(w * v) * l));
      s2 = f32(s2 + f32(f32(w * l) * l));
    }
    if (k === 0 || (s2 > 0 && f32(sx * sx) > f32(best * s2))) {
      scale = s2 === 0 ? 0 : f32(sx / s2);
      best = f32(scale * sx);
      for (let i = 0; i < count; i++) levels[to + i] = trial[i]! + n;
    }
  }
  return scale;
}

/** As `signed` with squared values as weights, but from the plain scale single levels are moved while that makes the error smaller. */
export function movedSigned(count: number, n: number, x: Float32Array, from: number, levels: Uint8Array, to: number): number {
  const max = extreme(x, from, count);
  if (Math.abs(max) < LEAST) {
    levels.fill(0, to, to + count);
    return 0;
  }
  const inverse = f32(-n / max);
  let sx = 0;
  let s2 = 0;
  for (let i = 0; i < count; i++) {
    const v = x[from + i]!;
    const l = clamp(rne(f32(inverse * v)), -n, n - 1);
    trial[i] = l;
    const w = f32(v * v);
    sx = f32(sx + f32(f32(w * v) * l));
    s2 = f32(s2 + f32(f32(w * l) * l));
  }
  for (let pass = 0; pass < PASSES; pass++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const v = x[from + i]!;
      const w = f32(v * v);
      const l = trial[i]!;
      let a = f32(sx - f32(f32(w * v) * l));
      if (!(a > 0)) continue;
      let b = f32(s2 - f32(f32(w * l) * l));
      const moved = clamp(rne(f32(f32(v * b) / a)), -n, n - 1);
      if (moved === l) continue;
      a = f32(a + f32(f32(w * v) * moved));
      b = f32(b + f32(f32(w * moved) * moved));
      if (b > 0 && f32(f32(a * a) * s2) > f32(f32(sx * sx) * b)) {
        trial[i] = moved;
        sx = a;
        s2 = b;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (let i = 0; i < count; i++) levels[to + i] = trial[i]! + n;
  return s2 > 0 ? f32(sx / s2) : 0;
}

/** How `affine` searches. */
export interface AffineSearch {
  readonly first: number;
  readonly step: number;
  readonly steps: number;
  /** Absolute errors count instead of squared ones. */
  readonly absolute: boolean;
}

/** The negated minimum that the last `affine` found, never below 0. */
export const found: { minimum: number } = { minimum: 0 };

/** Levels 0..n of `count` values as scale * level - minimum. Returns the scale; the minimum is in `found`. */
export function affine(
  count: number,
  n: number,
  x: Float32Array,
  from: number,
  weights: Float32Array,
  levels: Uint8Array,
  to: number,
  { first, step, steps, absolute }: AffineSearch,
): number {
  let min = x[from]!;
  let max = min;
  let W = 0;
  let X = 0;
  for (let i = 0; i < count; i++) {
    const v = x[from + i]!;
    if (v < min) min = v;
    if (v > max) max = v;
    W = f32(W + weights[i]!);
    X = f32(X + f32(weights[i]! * v));
  }
  if (min > 0) min = 0;
  if (max <= min) {
    levels.fill(0, to, to + count);
    found.minimum = -min;
    return 0;
  }
  const rmin = f32(first);
  const rdelta = f32(step);
  let scale = 0;
  let best = Infinity;
  for (let t = -1; t <= steps; t++) {
    const inverse = t < 0 ? f32(n / f32(max - min)) : f32(f32(f32(rmin + f32(rdelta * t)) + n) / f32(max - min));
    let sl = f32(0);
    let s2 = f32(0);
    let sx = f32(0);
    for (let i = 0; i < count; i++) {
      const v = x[from + i]!;
      const l = f32(Math.min(n, Math.max(0, f32(f32(f32(inverse * f32(v - min)) + MAGIC) - MAGIC))));
      trial[i] = l;
      const wl = f32(weights[i]! * l);
      sl = f32(sl + wl);
      s2 = f32(s2 + f32(wl * l));
      sx = f32(sx + f32(wl * v));
    }
    let s = f32(1 / inverse);
    let m = f32(min);
    if (t >= 0) {
      const determinant = f32(f32(W * s2) - f32(sl * sl));
      if (!(determinant > 0)) continue;
      s = f32(f32(f32(W * sx) - f32(X * sl)) / determinant);
      m = f32(f32(f32(s2 * X) - f32(sl * sx)) / determinant);
      if (m > 0) {
        m = f32(0);
        s = f32(sx / s2);
      }
    }
    let error = f32(0);
    for (let i = 0; i < count; i++) {
      const difference = f32(f32(f32(s * trial[i]!) + m) - x[from + i]!);
      error = f32(error + f32(weights[i]! * (absolute ? Math.abs(difference) : f32(difference * difference))));
    }
    if (t < 0 || error < best) {
      for (let i = 0; i < count; i++) levels[to + i] = trial[i]!;
      best = error;
      scale = s;
      // The following trials start from it.
      min = m;
    }
  }
  found.minimum = -min;
  return scale;
}

/** Levels 0..n of `count` values that are not negative: of scales and minima. Returns the scale. */
export function positive(count: number, n: number, x: Float32Array, weights: Float32Array, levels: Uint8Array): number {
  let max = 0;
  for (let i = 0; i < count; i++) max = Math.max(max, x[i]!);
  if (max < LEAST) {
    levels.fill(0, 0, count);
    return 0;
  }
  let inverse = 0;
  let best = Infinity;
  for (let k = 0; k < 9; k++) {
    const t = k === 0 ? 0 : k < 5 ? k - 5 : k - 4;
    const tried = f32(f32(f32(TENTH * t) + n) / max);
    const scale = f32(1 / tried);
    let error = 0;
    for (let i = 0; i < count; i++) {
      const l = Math.min(n, rne(f32(tried * x[i]!)));
      const difference = f32(x[i]! - f32(scale * l));
      error = f32(error + f32(f32(weights[i]! * difference) * difference));
    }
    if (k === 0 || error < best) {
      best = error;
      inverse = tried;
    }
  }
  let sx = 0;
  let s2 = 0;
  for (let i = 0; i < count; i++) {
    const l = Math.min(n, rne(f32(inverse * x[i]!)));
    levels[i] = l;
    sx = f32(sx + f32(f32(weights[i]! * x[i]!) * l));
    s2 = f32(s2 + f32(f32(weights[i]! * l) * l));
  }
  for (let pass = 0; pass < PASSES; pass++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const w = weights[i]!;
      const v = x[i]!;
      const l = levels[i]!;
      let a = f32(sx - f32(f32(w * v) * l));
      let b = f32(s2 - f32(f32(w * l) * l));
      if (!(a > 0 && b > 0)) continue;
      const moved = Math.min(n, rne(f32(f32(v * b) / a)));
      if (moved === l) continue;
      a = f32(a + f32(f32(w * v) * moved));
      b = f32(b + f32(f32(w * moved) * moved));
      if (f32(f32(a * a) * s2) > f32(f32(sx * sx) * b)) {
        levels[i] = moved;
        sx = a;
        s2 = b;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return s2 > 0 ? f32(sx / s2) : 0;
}
