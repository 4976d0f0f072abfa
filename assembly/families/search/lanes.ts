// Searches for the scales of groups of weights, four groups at a time: a lane is a group. Each tries several scales and keeps the one with
// the least weighted squared error. All in float32, sums in the order of the values, products from left to right: the bytes are llama.cpp's.
//
//   x       f32 [count][groups]: value i of all groups side by side, `stride` bytes from one i to the next
//   x + W   the same form: weights of the values
//   x + L   levels, as floats

/** Bytes from values to their weights, and to their levels. */
export const W: usize = 1024;
export const L: usize = 2048;
/** A group whose largest magnitude lies below is zero. */
export const LEAST: f32 = 1e-15;
/** Passes of the searches that move single levels. */
export const PASSES = 5;

/** Integers, ties to even, within low..high; what is no number becomes low. */
export function level(v: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(high, f32x4.pmax(low, f32x4.nearest(v)));
}

/**
 * Levels 0..top as scale * level - minimum. Tries (first + step * t + top) / range for t = 0..steps after the plain scale; a better one's
 * minimum is where the next trial starts. Stores four scales and four minima.
 */
export function affine(
  x: usize,
  stride: usize,
  count: i32,
  top: f32,
  first: f32,
  step: f32,
  steps: i32,
  absolute: bool,
  scales: usize,
  minima: usize,
): void {
  const zero = f32x4.splat(0);
  const n = f32x4.splat(top);
  const end = x + <usize>count * stride;
  let min = v128.load(x);
  let max = min;
  let sumW = zero;
  let sumX = zero;
  for (let a = x; a < end; a += stride) {
    const v = v128.load(a);
    const wi = v128.load(a, W);
    min = f32x4.pmin(min, v);
    max = f32x4.pmax(max, v);
    sumW = f32x4.add(sumW, wi);
    sumX = f32x4.add(sumX, f32x4.mul(wi, v));
  }
  min = v128.andnot(min, f32x4.gt(min, zero));
  const flat = f32x4.le(max, min);
  let best = zero;
  let scale = zero;
  let inverseOfBest = zero;
  let startOfBest = zero;
  for (let t = -1; t <= steps; t++) {
    const wanted: f32 = t < 0 ? top : first + step * <f32>t + top;
    const inverse = f32x4.div(f32x4.splat(wanted), f32x4.sub(max, min));
    let sl = zero;
    let s2 = zero;
    let sx = zero;
    for (let a = x; a < end; a += stride) {
      const v = v128.load(a);
      const q = level(f32x4.mul(inverse, f32x4.sub(v, min)), zero, n);
      v128.store(a, q, L);
      const wl = f32x4.mul(v128.load(a, W), q);
      sl = f32x4.add(sl, wl);
      s2 = f32x4.add(s2, f32x4.mul(wl, q));
      sx = f32x4.add(sx, f32x4.mul(wl, v));
    }
    let s = f32x4.div(f32x4.splat(1), inverse);
    let m = min;
    let fits = f32x4.eq(zero, zero);
    if (t >= 0) {
      const determinant = f32x4.sub(f32x4.mul(sumW, s2), f32x4.mul(sl, sl));
      fits = f32x4.gt(determinant, zero);
      s = f32x4.div(f32x4.sub(f32x4.mul(sumW, sx), f32x4.mul(sumX, sl)), determinant);
      m = f32x4.div(f32x4.sub(f32x4.mul(s2, sumX), f32x4.mul(sl, sx)), determinant);
      const above = f32x4.gt(m, zero);
      m = v128.andnot(m, above);
      s = v128.bitselect(f32x4.div(sx, s2), s, above);
    }
    let error = zero;
    for (let a = x; a < end; a += stride) {
      const difference = f32x4.sub(f32x4.add(f32x4.mul(s, v128.load(a, L)), m), v128.load(a));
      const size = absolute ? f32x4.abs(difference) : f32x4.mul(difference, difference);
      error = f32x4.add(error, f32x4.mul(v128.load(a, W), size));
    }
    const better = t < 0 ? fits : v128.and(fits, f32x4.lt(error, best));
    best = v128.bitselect(error, best, better);
    scale = v128.bitselect(s, scale, better);
    inverseOfBest = v128.bitselect(inverse, inverseOfBest, better);
    startOfBest = v128.bitselect(min, startOfBest, better);
    min = v128.bitselect(m, min, better);
  }
  for (let a = x; a < end; a += stride) {
    const q = level(f32x4.mul(inverseOfBest, f32x4.sub(v128.load(a), startOfBest)), zero, n);
    v128.store(a, v128.andnot(q, flat), L);
  }
  v128.store(scales, v128.andnot(scale, flat));
  v128.store(minima, f32x4.neg(min));
}

/** Levels -half..half-1, scale of either sign; stored are level + half. Not `weighted`: by squared values. Groups of zeros: scale 0 and levels 0. */
export function signed(x: usize, stride: usize, count: i32, half: i32, weighted: bool, scales: usize): void {
  const zero = f32x4.splat(0);
  const low = f32x4.splat(<f32>-half);
  const high = f32x4.splat(<f32>(half - 1));
  const end = x + <usize>count * stride;
  const max = extreme(x, stride, count);
  let scale = zero;
  let best = zero;
  let inverseOfBest = zero;
  for (let k = 0; k < 19; k++) {
    // The plain scale first, then its neighbours: -9..9 without 0.
    const t: f32 = k == 0 ? 0 : <f32>(k < 10 ? k - 10 : k - 9);
    const inverse = f32x4.div(f32x4.splat(-(<f32>half + <f32>0.1 * t)), max);
    let sx = zero;
    let s2 = zero;
    for (let a = x; a < end; a += stride) {
      const v = v128.load(a);
      const q = level(f32x4.mul(inverse, v), low, high);
      const wi = weighted ? v128.load(a, W) : f32x4.mul(v, v);
      sx = f32x4.add(sx, f32x4.mul(f32x4.mul(wi, v), q));
      s2 = f32x4.add(s2, f32x4.mul(f32x4.mul(wi, q), q));
    }
    const better = k == 0 ? f32x4.eq(zero, zero) : v128.and(f32x4.gt(s2, zero), f32x4.gt(f32x4.mul(sx, sx), f32x4.mul(best, s2)));
    const s = v128.andnot(f32x4.div(sx, s2), f32x4.eq(s2, zero));
    scale = v128.bitselect(s, scale, better);
    best = v128.bitselect(f32x4.mul(s, sx), best, better);
    inverseOfBest = v128.bitselect(inverse, inverseOfBest, better);
  }
  const empty = f32x4.lt(f32x4.abs(max), f32x4.splat(LEAST));
  for (let a = x; a < end; a += stride) {
    const q = f32x4.sub(level(f32x4.mul(inverseOfBest, v128.load(a)), low, high), low);
    v128.store(a, v128.andnot(q, empty), L);
  }
  v128.store(scales, v128.andnot(scale, empty));
}

/** As `signed` with squared values as weights, but from the plain scale single levels are moved while that makes the error smaller. */
export function moved(x: usize, stride: usize, count: i32, half: i32, scales: usize): void {
  const zero = f32x4.splat(0);
  const low = f32x4.splat(<f32>-half);
  const high = f32x4.splat(<f32>(half - 1));
  const end = x + <usize>count * stride;
  const max = extreme(x, stride, count);
  const inverse = f32x4.div(low, max);
  let sx = zero;
  let s2 = zero;
  for (let a = x; a < end; a += stride) {
    const v = v128.load(a);
    const q = level(f32x4.mul(inverse, v), low, high);
    v128.store(a, q, L);
    const w = f32x4.mul(v, v);
    sx = f32x4.add(sx, f32x4.mul(f32x4.mul(w, v), q));
    s2 = f32x4.add(s2, f32x4.mul(f32x4.mul(w, q), q));
  }
  for (let pass = 0; pass < PASSES; pass++) {
    let changed = zero;
    for (let a = x; a < end; a += stride) {
      const v = v128.load(a);
      const w = f32x4.mul(v, v);
      const q = v128.load(a, L);
      const sxWithout = f32x4.sub(sx, f32x4.mul(f32x4.mul(w, v), q));
      const s2Without = f32x4.sub(s2, f32x4.mul(f32x4.mul(w, q), q));
      const to = level(f32x4.div(f32x4.mul(v, s2Without), sxWithout), low, high);
      const sxThen = f32x4.add(sxWithout, f32x4.mul(f32x4.mul(w, v), to));
      const s2Then = f32x4.add(s2Without, f32x4.mul(f32x4.mul(w, to), to));
      const gain = f32x4.gt(f32x4.mul(f32x4.mul(sxThen, sxThen), s2), f32x4.mul(f32x4.mul(sx, sx), s2Then));
      const move = v128.and(v128.and(f32x4.gt(sxWithout, zero), f32x4.ne(to, q)), v128.and(f32x4.gt(s2Then, zero), gain));
      v128.store(a, v128.bitselect(to, q, move), L);
      sx = v128.bitselect(sxThen, sx, move);
      s2 = v128.bitselect(s2Then, s2, move);
      changed = v128.or(changed, move);
    }
    if (!v128.any_true(changed)) break;
  }
  const empty = f32x4.lt(f32x4.abs(max), f32x4.splat(LEAST));
  for (let a = x; a < end; a += stride) v128.store(a, v128.andnot(f32x4.sub(v128.load(a, L), low), empty), L);
  v128.store(scales, v128.andnot(v128.and(f32x4.div(sx, s2), f32x4.gt(s2, zero)), empty));
}

/** The value of largest magnitude of each group, with its sign; the first of equals. */
function extreme(x: usize, stride: usize, count: i32): v128 {
  let most = f32x4.splat(0);
  let value = most;
  for (let i = 0; i < count; i++, x += stride) {
    const v = v128.load(x);
    const size = f32x4.abs(v);
    const more = f32x4.gt(size, most);
    most = v128.bitselect(size, most, more);
    value = v128.bitselect(v, value, more);
  }
  return value;
}
