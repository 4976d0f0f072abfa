// Searches for the scales of groups of weights, eight groups at a time: a lane of one of two vectors is a group; two, since sums in order wait
// for themselves. Each tries several scales and keeps the one with the least weighted squared error. All in float32, sums in the order of the
// values, products from left to right: the bytes are llama.cpp's.
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
/** Bytes from one vector of groups to the other. */
const B: usize = 16;

/** Integers, ties to even, within low..high; what is no number becomes low. */
export function level(v: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(high, f32x4.pmax(low, f32x4.nearest(v)));
}

/**
 * Levels 0..top as scale * level - minimum. Tries (first + step * t + top) / range for t = 0..steps after the plain scale; a better one's
 * minimum is where the next trial starts. Stores eight scales and eight minima.
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
  // From here on a and b are the two vectors: lowest values, ranges' ends, sums of weights and of weighted values.
  let lowA = v128.load(x);
  let lowB = v128.load(x, B);
  let maxA = lowA;
  let maxB = lowB;
  let wA = zero;
  let wB = zero;
  let xA = zero;
  let xB = zero;
  for (let p = x; p < end; p += stride) {
    const a = v128.load(p);
    const b = v128.load(p, B);
    lowA = f32x4.pmin(lowA, a);
    lowB = f32x4.pmin(lowB, b);
    maxA = f32x4.pmax(maxA, a);
    maxB = f32x4.pmax(maxB, b);
    wA = f32x4.add(wA, v128.load(p, W));
    wB = f32x4.add(wB, v128.load(p, W + B));
    xA = f32x4.add(xA, f32x4.mul(v128.load(p, W), a));
    xB = f32x4.add(xB, f32x4.mul(v128.load(p, W + B), b));
  }
  lowA = v128.andnot(lowA, f32x4.gt(lowA, zero));
  lowB = v128.andnot(lowB, f32x4.gt(lowB, zero));
  const flatA = f32x4.le(maxA, lowA);
  const flatB = f32x4.le(maxB, lowB);
  let bestA = zero;
  let bestB = zero;
  let scaleA = zero;
  let scaleB = zero;
  let inverseOfBestA = zero;
  let inverseOfBestB = zero;
  let lowOfBestA = zero;
  let lowOfBestB = zero;
  for (let t = -1; t <= steps; t++) {
    const wanted = f32x4.splat(t < 0 ? top : first + step * <f32>t + top);
    const inverseA = f32x4.div(wanted, f32x4.sub(maxA, lowA));
    const inverseB = f32x4.div(wanted, f32x4.sub(maxB, lowB));
    let slA = zero;
    let slB = zero;
    let s2A = zero;
    let s2B = zero;
    let sxA = zero;
    let sxB = zero;
    for (let p = x; p < end; p += stride) {
      const a = v128.load(p);
      const qa = level(f32x4.mul(inverseA, f32x4.sub(a, lowA)), zero, n);
      v128.store(p, qa, L);
      const wa = f32x4.mul(v128.load(p, W), qa);
      slA = f32x4.add(slA, wa);
      s2A = f32x4.add(s2A, f32x4.mul(wa, qa));
      sxA = f32x4.add(sxA, f32x4.mul(wa, a));
      const b = v128.load(p, B);
      const qb = level(f32x4.mul(inverseB, f32x4.sub(b, lowB)), zero, n);
      v128.store(p, qb, L + B);
      const wb = f32x4.mul(v128.load(p, W + B), qb);
      slB = f32x4.add(slB, wb);
      s2B = f32x4.add(s2B, f32x4.mul(wb, qb));
      sxB = f32x4.add(sxB, f32x4.mul(wb, b));
    }
    let sA: v128;
    let sB: v128;
    let mA = lowA;
    let mB = lowB;
    let fitsA = f32x4.eq(zero, zero);
    let fitsB = fitsA;
    if (t < 0) {
      sA = f32x4.div(f32x4.splat(1), inverseA);
      sB = f32x4.div(f32x4.splat(1), inverseB);
    } else {
      const determinantA = f32x4.sub(f32x4.mul(wA, s2A), f32x4.mul(slA, slA));
      const determinantB = f32x4.sub(f32x4.mul(wB, s2B), f32x4.mul(slB, slB));
      fitsA = f32x4.gt(determinantA, zero);
      fitsB = f32x4.gt(determinantB, zero);
      sA = f32x4.div(f32x4.sub(f32x4.mul(wA, sxA), f32x4.mul(xA, slA)), determinantA);
      sB = f32x4.div(f32x4.sub(f32x4.mul(wB, sxB), f32x4.mul(xB, slB)), determinantB);
      mA = f32x4.div(f32x4.sub(f32x4.mul(s2A, xA), f32x4.mul(slA, sxA)), determinantA);
      mB = f32x4.div(f32x4.sub(f32x4.mul(s2B, xB), f32x4.mul(slB, sxB)), determinantB);
      const aboveA = f32x4.gt(mA, zero);
      const aboveB = f32x4.gt(mB, zero);
      mA = v128.andnot(mA, aboveA);
      mB = v128.andnot(mB, aboveB);
      sA = v128.bitselect(f32x4.div(sxA, s2A), sA, aboveA);
      sB = v128.bitselect(f32x4.div(sxB, s2B), sB, aboveB);
    }
    let errorA = zero;
    let errorB = zero;
    if (absolute) {
      for (let p = x; p < end; p += stride) {
        const a = f32x4.sub(f32x4.add(f32x4.mul(sA, v128.load(p, L)), mA), v128.load(p));
        errorA = f32x4.add(errorA, f32x4.mul(v128.load(p, W), f32x4.abs(a)));
        const b = f32x4.sub(f32x4.add(f32x4.mul(sB, v128.load(p, L + B)), mB), v128.load(p, B));
        errorB = f32x4.add(errorB, f32x4.mul(v128.load(p, W + B), f32x4.abs(b)));
      }
    } else {
      for (let p = x; p < end; p += stride) {
        const a = f32x4.sub(f32x4.add(f32x4.mul(sA, v128.load(p, L)), mA), v128.load(p));
        errorA = f32x4.add(errorA, f32x4.mul(v128.load(p, W), f32x4.mul(a, a)));
        const b = f32x4.sub(f32x4.add(f32x4.mul(sB, v128.load(p, L + B)), mB), v128.load(p, B));
        errorB = f32x4.add(errorB, f32x4.mul(v128.load(p, W + B), f32x4.mul(b, b)));
      }
    }
    const betterA = t < 0 ? fitsA : v128.and(fitsA, f32x4.lt(errorA, bestA));
    const betterB = t < 0 ? fitsB : v128.and(fitsB, f32x4.lt(errorB, bestB));
    bestA = v128.bitselect(errorA, bestA, betterA);
    bestB = v128.bitselect(errorB, bestB, betterB);
    scaleA = v128.bitselect(sA, scaleA, betterA);
    scaleB = v128.bitselect(sB, scaleB, betterB);
    inverseOfBestA = v128.bitselect(inverseA, inverseOfBestA, betterA);
    inverseOfBestB = v128.bitselect(inverseB, inverseOfBestB, betterB);
    lowOfBestA = v128.bitselect(lowA, lowOfBestA, betterA);
    lowOfBestB = v128.bitselect(lowB, lowOfBestB, betterB);
    lowA = v128.bitselect(mA, lowA, betterA);
    lowB = v128.bitselect(mB, lowB, betterB);
  }
  for (let p = x; p < end; p += stride) {
    const qa = level(f32x4.mul(inverseOfBestA, f32x4.sub(v128.load(p), lowOfBestA)), zero, n);
    const qb = level(f32x4.mul(inverseOfBestB, f32x4.sub(v128.load(p, B), lowOfBestB)), zero, n);
    v128.store(p, v128.andnot(qa, flatA), L);
    v128.store(p, v128.andnot(qb, flatB), L + B);
  }
  v128.store(scales, v128.andnot(scaleA, flatA));
  v128.store(scales, v128.andnot(scaleB, flatB), B);
  v128.store(minima, f32x4.neg(lowA));
  v128.store(minima, f32x4.neg(lowB), B);
}

/** Levels -half..half-1, scales of either sign; stored are level + half. Not `weighted`: by squared values. Groups of zeros: scale 0 and levels 0. */
export function signed(x: usize, stride: usize, count: i32, half: i32, weighted: bool, scales: usize): void {
  const zero = f32x4.splat(0);
  const low = f32x4.splat(<f32>-half);
  const high = f32x4.splat(<f32>(half - 1));
  const end = x + <usize>count * stride;
  const maxA = extreme(x, stride, count);
  const maxB = extreme(x + B, stride, count);
  let scaleA = zero;
  let scaleB = zero;
  let bestA = zero;
  let bestB = zero;
  let inverseOfBestA = zero;
  let inverseOfBestB = zero;
  for (let k = 0; k < 19; k++) {
    // The plain scale first, then its neighbours: -9..9 without 0.
    const t: f32 = k == 0 ? 0 : <f32>(k < 10 ? k - 10 : k - 9);
    const wanted = f32x4.splat(-(<f32>half + <f32>0.1 * t));
    const inverseA = f32x4.div(wanted, maxA);
    const inverseB = f32x4.div(wanted, maxB);
    let sxA = zero;
    let sxB = zero;
    let s2A = zero;
    let s2B = zero;
    for (let p = x; p < end; p += stride) {
      const a = v128.load(p);
      const qa = level(f32x4.mul(inverseA, a), low, high);
      const wa = weighted ? v128.load(p, W) : f32x4.mul(a, a);
      sxA = f32x4.add(sxA, f32x4.mul(f32x4.mul(wa, a), qa));
      s2A = f32x4.add(s2A, f32x4.mul(f32x4.mul(wa, qa), qa));
      const b = v128.load(p, B);
      const qb = level(f32x4.mul(inverseB, b), low, high);
      const wb = weighted ? v128.load(p, W + B) : f32x4.mul(b, b);
      sxB = f32x4.add(sxB, f32x4.mul(f32x4.mul(wb, b), qb));
      s2B = f32x4.add(s2B, f32x4.mul(f32x4.mul(wb, qb), qb));
    }
    const sA = v128.andnot(f32x4.div(sxA, s2A), f32x4.eq(s2A, zero));
    const sB = v128.andnot(f32x4.div(sxB, s2B), f32x4.eq(s2B, zero));
    let betterA = f32x4.eq(zero, zero);
    let betterB = betterA;
    if (k > 0) {
      betterA = exceeds(sxA, s2A, bestA);
      betterB = exceeds(sxB, s2B, bestB);
    }
    scaleA = v128.bitselect(sA, scaleA, betterA);
    scaleB = v128.bitselect(sB, scaleB, betterB);
    bestA = v128.bitselect(f32x4.mul(sA, sxA), bestA, betterA);
    bestB = v128.bitselect(f32x4.mul(sB, sxB), bestB, betterB);
    inverseOfBestA = v128.bitselect(inverseA, inverseOfBestA, betterA);
    inverseOfBestB = v128.bitselect(inverseB, inverseOfBestB, betterB);
  }
  const emptyA = f32x4.lt(f32x4.abs(maxA), f32x4.splat(LEAST));
  const emptyB = f32x4.lt(f32x4.abs(maxB), f32x4.splat(LEAST));
  for (let p = x; p < end; p += stride) {
    const qa = f32x4.sub(level(f32x4.mul(inverseOfBestA, v128.load(p)), low, high), low);
    const qb = f32x4.sub(level(f32x4.mul(inverseOfBestB, v128.load(p, B)), low, high), low);
    v128.store(p, v128.andnot(qa, emptyA), L);
    v128.store(p, v128.andnot(qb, emptyB), L + B);
  }
  v128.store(scales, v128.andnot(scaleA, emptyA));
  v128.store(scales, v128.andnot(scaleB, emptyB), B);
}

/** Is sx / s2 with these sums a smaller error than the best so far, scale * sx? */
export function exceeds(sx: v128, s2: v128, best: v128): v128 {
  return v128.and(f32x4.gt(s2, f32x4.splat(0)), f32x4.gt(f32x4.mul(sx, sx), f32x4.mul(best, s2)));
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
export function extreme(x: usize, stride: usize, count: i32): v128 {
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
