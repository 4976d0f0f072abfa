// IQ4_NL and IQ4_XS: four bits into sixteen levels that lie closer together near zero; eight groups of 32 side by side (groups.ts).
//
//   IQ4_NL [d][16], up to eight at a time   IQ4_XS [d][high scale bits: 2][low scale nibbles: 4][128]
//
// Which level is nearest is found in integers: floor(2 v) + 256 has 9 bits, of which 4 choose a bucket of 32; where a bucket begins stands in one
// table, the one or two borders between levels in it stand in two others. Borders are multiples of a half, so nothing is rounded away.

import { columns32, SCALES, SPARE, weigh, X } from './groups.ts';
import { exceeds, extreme, L, LEAST, W } from './lanes.ts';
import { extremeOf, putHalf, squaresOf } from './scalar.ts';

// Rows of 16 bytes in the scratch.
const LEVELS_OF: usize = SPARE;
const BEGINS: usize = SPARE + 16;
const FIRST_BORDERS: usize = SPARE + 32;
const SECOND_BORDERS: usize = SPARE + 48;
/** Sums of both vectors: products, then squares. */
const PRODUCTS: usize = SPARE + 64;
const SQUARES: usize = SPARE + 96;
/** Inverse scales to try. */
const TRIED: usize = SPARE + 128;
// Constants of `numbers`, which V8 would rebuild at each use.
const LOW: usize = SPARE + 160;
const HIGH: usize = SPARE + 176;
const MAGIC: usize = SPARE + 192;
const NINE_BITS: usize = SPARE + 208;
const FIVE_BITS: usize = SPARE + 224;

/** What `numbers` and `sumUp` look up: once before all blocks. A border is stored less one; 127: there is none. */
export function putTables(s: usize): void {
  v128.store(s, i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), LEVELS_OF);
  v128.store(s, i8x16(0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 14, 15), BEGINS);
  v128.store(s, i8x16(24, 127, 4, 11, 13, 11, 6, -1, 13, 5, 26, 25, 29, 127, 9, 127), FIRST_BORDERS);
  v128.store(s, i8x16(127, 127, 127, 127, 127, 127, 127, 22, 127, 30, 127, 127, 127, 127, 127, 127), SECOND_BORDERS);
  v128.store(s, f32x4.splat(-256), LOW);
  v128.store(s, f32x4.splat(255), HIGH);
  // 1.5 * 2^23: the integer that is added to it stands in its lowest bits.
  v128.store(s, f32x4.splat(12582912 + 256), MAGIC);
  v128.store(s, i32x4.splat(511), NINE_BITS);
  v128.store(s, i16x8.splat(31), FIVE_BITS);
}

/** Numbers of the levels nearest to x * TRIED, to L as u8 [32][8]. */
function numbers(s: usize): void {
  const begins = v128.load(s, BEGINS);
  const firstBorders = v128.load(s, FIRST_BORDERS);
  const secondBorders = v128.load(s, SECOND_BORDERS);
  const low = v128.load(s, LOW);
  const high = v128.load(s, HIGH);
  const magic = v128.load(s, MAGIC);
  const nineBits = v128.load(s, NINE_BITS);
  const fiveBits = v128.load(s, FIVE_BITS);
  const inverseA = f32x4.mul(f32x4.splat(2), v128.load(s, TRIED));
  const inverseB = f32x4.mul(f32x4.splat(2), v128.load(s, TRIED + 16));
  let to = s + L;
  for (let p = s + X; p < s + X + 1024; p += 64, to += 16) {
    const a0 = half(f32x4.mul(inverseA, v128.load(p)), low, high, magic, nineBits);
    const b0 = half(f32x4.mul(inverseB, v128.load(p, 16)), low, high, magic, nineBits);
    const a1 = half(f32x4.mul(inverseA, v128.load(p, 32)), low, high, magic, nineBits);
    const b1 = half(f32x4.mul(inverseB, v128.load(p, 48)), low, high, magic, nineBits);
    const u = i16x8.narrow_i32x4_s(a0, b0);
    const v = i16x8.narrow_i32x4_s(a1, b1);
    const bucket = i8x16.narrow_i16x8_u(i16x8.shr_u(u, 5), i16x8.shr_u(v, 5));
    const rest = i8x16.narrow_i16x8_u(v128.and(u, fiveBits), v128.and(v, fiveBits));
    const first = i8x16.gt_s(rest, i8x16.swizzle(firstBorders, bucket));
    const second = i8x16.gt_s(rest, i8x16.swizzle(secondBorders, bucket));
    v128.store(to, i8x16.sub(i8x16.sub(i8x16.swizzle(begins, bucket), first), second));
  }
}

/** floor(v) + 256 within 0..511; what is no number counts as the largest. */
function half(v: v128, low: v128, high: v128, magic: v128, nineBits: v128): v128 {
  return v128.and(f32x4.add(f32x4.floor(f32x4.pmax(f32x4.pmin(high, v), low)), magic), nineBits);
}

/** Weighted sums of products of values and levels, and of squares of levels, for the numbers at L. */
function sumUp(s: usize): void {
  const levels = v128.load(s, LEVELS_OF);
  let productA = f32x4.splat(0);
  let productB = productA;
  let squareA = productA;
  let squareB = productA;
  let from = s + L;
  for (let p = s + X; p < s + X + 1024; p += 64, from += 16) {
    const q = i8x16.swizzle(levels, v128.load(from));
    const q0 = i16x8.extend_low_i8x16_s(q);
    const q1 = i16x8.extend_high_i8x16_s(q);
    const a0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q0));
    const b0 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q0));
    const a1 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q1));
    const b1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q1));
    const wa0 = f32x4.mul(v128.load(p, W), a0);
    productA = f32x4.add(productA, f32x4.mul(wa0, v128.load(p)));
    squareA = f32x4.add(squareA, f32x4.mul(wa0, a0));
    const wb0 = f32x4.mul(v128.load(p, W + 16), b0);
    productB = f32x4.add(productB, f32x4.mul(wb0, v128.load(p, 16)));
    squareB = f32x4.add(squareB, f32x4.mul(wb0, b0));
    const wa1 = f32x4.mul(v128.load(p, W + 32), a1);
    productA = f32x4.add(productA, f32x4.mul(wa1, v128.load(p, 32)));
    squareA = f32x4.add(squareA, f32x4.mul(wa1, a1));
    const wb1 = f32x4.mul(v128.load(p, W + 48), b1);
    productB = f32x4.add(productB, f32x4.mul(wb1, v128.load(p, 48)));
    squareB = f32x4.add(squareB, f32x4.mul(wb1, b1));
  }
  v128.store(s, productA, PRODUCTS);
  v128.store(s, productB, PRODUCTS + 16);
  v128.store(s, squareA, SQUARES);
  v128.store(s, squareB, SQUARES + 16);
}

/** Scales to SCALES, 0 for zeros: of the plain scale and its neighbours those with the least errors; `quick`: the plain one's, of the other sign. */
function search(s: usize, quick: bool): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const maxA = extreme(s + X, 32, 32);
  const maxB = extreme(s + X + 16, 32, 32);
  let scaleA = zero;
  let scaleB = zero;
  let bestA = zero;
  let bestB = zero;
  const trials = quick ? 1 : 16;
  const plain: f32 = quick ? -127 : 127;
  for (let k = 0; k < trials; k++) {
    // The plain scale first, then -127 and its neighbours.
    const t = f32x4.splat(k == 0 ? plain : <f32>(k - 8 - 127));
    v128.store(s, k == 0 ? f32x4.div(one, f32x4.div(maxA, t)) : f32x4.div(t, maxA), TRIED);
    v128.store(s, k == 0 ? f32x4.div(one, f32x4.div(maxB, t)) : f32x4.div(t, maxB), TRIED + 16);
    numbers(s);
    sumUp(s);
    const productA = v128.load(s, PRODUCTS);
    const productB = v128.load(s, PRODUCTS + 16);
    const squareA = v128.load(s, SQUARES);
    const squareB = v128.load(s, SQUARES + 16);
    const dA = quotient(productA, squareA);
    const dB = quotient(productB, squareB);
    const betterA = k == 0 ? f32x4.eq(zero, zero) : exceeds(productA, squareA, bestA);
    const betterB = k == 0 ? f32x4.eq(zero, zero) : exceeds(productB, squareB, bestB);
    scaleA = v128.bitselect(dA, scaleA, betterA);
    scaleB = v128.bitselect(dB, scaleB, betterB);
    bestA = v128.bitselect(f32x4.mul(dA, productA), bestA, betterA);
    bestB = v128.bitselect(f32x4.mul(dB, productB), bestB, betterB);
  }
  const least = f32x4.splat(LEAST);
  v128.store(s, v128.andnot(scaleA, f32x4.lt(f32x4.abs(maxA), least)), SCALES);
  v128.store(s, v128.andnot(scaleB, f32x4.lt(f32x4.abs(maxB), least)), SCALES + 16);
}

/** a / b, 0 where b is 0. */
function quotient(a: v128, b: v128): v128 {
  return v128.andnot(f32x4.div(a, b), f32x4.eq(b, f32x4.splat(0)));
}

/** Weights: squared values, or by importance, which lies in W as it is; a, b: the means of the groups. */
function setWeights(s: usize, weighted: bool, a: v128, b: v128): void {
  if (weighted) weigh(s, 8, a, b);
  else for (let at = s; at < s + 1024; at += 16) v128.store(at, f32x4.mul(v128.load(at, X), v128.load(at, X)), W);
}

/** Numbers of levels, each group's in 16 bytes, `stride` bytes from one to the next. */
function putNumbers(s: usize, groups: i32, to: usize, stride: usize): void {
  for (let g = 0; g < groups; g++, to += stride) {
    for (let i = 0; i < 16; i++) store<u8>(to + i, load<u8>(s + 8 * i + g, L) | (load<u8>(s + 8 * i + g, L + 128) << 4));
  }
}

/** Numbers of the levels for the scales in SCALES. */
function numbersForScales(s: usize): void {
  for (let at = s; at < s + 32; at += 16) v128.store(at, quotient(f32x4.splat(1), v128.load(at, SCALES)), TRIED);
  numbers(s);
}

/** Up to eight blocks of IQ4_NL, `count`. `quick`: without a search, levels are those that the scale was computed for. */
export function blocksIQ4NL(x: usize, w: usize, count: i32, to: usize, s: usize, quick: bool): void {
  columns32(x, w, count, s);
  let a = f32x4.splat(0);
  let b = a;
  for (let at = s + X; at < s + X + 1024; at += 32) {
    a = f32x4.add(a, f32x4.mul(v128.load(at), v128.load(at)));
    b = f32x4.add(b, f32x4.mul(v128.load(at, 16), v128.load(at, 16)));
  }
  // Twice the mean.
  const part = f32x4.splat(0.0625);
  setWeights(s, w != 0, f32x4.mul(a, part), f32x4.mul(b, part));
  search(s, quick);
  if (!quick) numbersForScales(s);
  for (let g = 0; g < count; g++) putHalf(to + 18 * g, load<f32>(s + SCALES + 4 * g));
  putNumbers(s, count, to + 2, 18);
}

/** One super-block of IQ4_XS. */
export function blockIQ4XS(x: usize, w: usize, to: usize, s: usize): void {
  columns32(x, w, 8, s);
  const mean = f32x4.splat(squaresOf(x, 256) / 128);
  setWeights(s, w != 0, mean, mean);
  search(s, false);
  const d: f32 = -extremeOf(s + SCALES, 8) / 32;
  const inverse: f32 = d == 0 ? 0 : 1 / d;
  putHalf(to, d);
  for (let g = 0; g < 8; g++) {
    const l = max<f32>(-32, min<f32>(31, nearest(inverse * load<f32>(s + SCALES + 4 * g))));
    const bits = <i32>l + 32;
    store<u8>(to + 4 + (g >> 1), load<u8>(to + 4 + (g >> 1)) | ((bits & 15) << (4 * (g & 1))));
    store<u8>(to + 2 + (g >> 2), load<u8>(to + 2 + (g >> 2)) | ((bits >> 4) << (2 * (g & 3))));
    store<f32>(s + SCALES + 4 * g, d * l);
  }
  numbersForScales(s);
  putNumbers(s, 8, to + 8, 16);
}
