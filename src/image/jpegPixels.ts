// JPEG: coefficients to pixels with the integers of libjpeg, which is what every evaluation read its pictures with: its accurate integer
// IDCT (Loeffler, Ligtenberg & Moschytz 1989, 13-bit constants), its triangle filter for subsampled colour, its 16-bit colour constants.

import { UnsupportedError } from '../errors.ts';
import type { Component } from './jpegScan.ts';

/** Samples of a component, `stride` bytes a row. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly data: Uint8ClampedArray;
}

/** Dequantizes and transforms all blocks of a component. `quant` is in natural order. */
export function samples(component: Component, quant: Int32Array): Plane {
  const { width, height, blockCols, blockRows, coefficients } = component;
  const stride = blockCols * 8;
  const data = new Uint8ClampedArray(stride * blockRows * 8);
  const work = new Int32Array(64);
  for (let y = 0; y < blockRows; y++) {
    for (let x = 0; x < blockCols; x++) {
      const at = 64 * (y * blockCols + x);
      for (let i = 0; i < 64; i++) work[i] = coefficients[at + i]! * quant[i]!;
      for (let i = 0; i < 8; i++) transform(work, i, 8, 11, 0);
      for (let i = 0; i < 64; i += 8) transform(work, i, 1, 18, 128);
      for (let i = 0; i < 64; i++) data[(y * 8 + (i >> 3)) * stride + x * 8 + (i & 7)] = work[i]!;
    }
  }
  return { width, height, stride, data };
}

/** One 8-point inverse transform in place, in 13-bit fixed point; the results are divided by 2^shift, rounded. */
function transform(w: Int32Array, at: number, step: number, shift: number, bias: number): void {
  const i1 = at + step;
  const i2 = i1 + step;
  const i3 = i2 + step;
  const i4 = i3 + step;
  const i5 = i4 + step;
  const i6 = i5 + step;
  const i7 = i6 + step;
  const c1 = w[i1]!;
  const c2 = w[i2]!;
  const c3 = w[i3]!;
  const c5 = w[i5]!;
  const c6 = w[i6]!;
  const c7 = w[i7]!;

  const turn = Math.imul(c2 + c6, 4433);
  const e2 = turn - Math.imul(c6, 15137);
  const e3 = turn + Math.imul(c2, 6270);
  const half = (1 << (shift - 1)) + (bias << shift);
  const e0 = ((w[at]! + w[i4]!) << 13) + half;
  const e1 = ((w[at]! - w[i4]!) << 13) + half;

  const z5 = Math.imul(c7 + c3 + c5 + c1, 9633);
  const z1 = Math.imul(c7 + c1, -7373);
  const z2 = Math.imul(c5 + c3, -20995);
  const z3 = Math.imul(c7 + c3, -16069) + z5;
  const z4 = Math.imul(c5 + c1, -3196) + z5;
  const o0 = Math.imul(c7, 2446) + z1 + z3;
  const o1 = Math.imul(c5, 16819) + z2 + z4;
  const o2 = Math.imul(c3, 25172) + z2 + z3;
  const o3 = Math.imul(c1, 12299) + z1 + z4;

  w[at] = (e0 + e3 + o3) >> shift;
  w[i7] = (e0 + e3 - o3) >> shift;
  w[i1] = (e1 + e2 + o2) >> shift;
  w[i6] = (e1 + e2 - o2) >> shift;
  w[i2] = (e1 - e2 + o1) >> shift;
  w[i5] = (e1 - e2 - o1) >> shift;
  w[i3] = (e0 - e3 + o0) >> shift;
  w[i4] = (e0 - e3 - o0) >> shift;
}

/** Writes row `y` of the picture, at full resolution. */
export type RowReader = (y: number, out: Uint8Array) => void;

/** Reader of a component that has one sample for `sx` x `sy` pixels. */
export function upsampler(plane: Plane, sx: number, sy: number): RowReader {
  const { width, height, stride, data } = plane;
  const row = (y: number) => data.subarray(y * stride, y * stride + stride);
  if (!Number.isInteger(sx) || !Number.isInteger(sy))
    throw new UnsupportedError(`JPEG: subsampling by ${sx} x ${sy}: whole numbers are supported`);
  if (sx === 1 && sy === 1) return (y, out) => out.set(row(y).subarray(0, width));
  const smooth = sx <= 2 && sy <= 2 && (sx === 1 || width > 2);
  if (!smooth) {
    return (y, out) => {
      const from = row(Math.floor(y / sy));
      for (let x = 0; x < width * sx; x++) out[x] = from[Math.floor(x / sx)]!;
    };
  }
  // The triangle filter: 3/4 of the nearer sample, 1/4 of the farther; above and below the picture its edge goes on.
  const neighbour = (y: number) => Math.min(Math.max((y >> 1) + (y & 1 ? 1 : -1), 0), height - 1);
  if (sx === 1) {
    return (y, out) => {
      const near = row(y >> 1);
      const far = row(neighbour(y));
      const rounding = 1 + (y & 1);
      for (let x = 0; x < width; x++) out[x] = (3 * near[x]! + far[x]! + rounding) >> 2;
    };
  }
  const sums = new Int32Array(width);
  return (y, out) => {
    const near = row(sy === 1 ? y : y >> 1);
    const far = sy === 1 ? near : row(neighbour(y));
    // Both axes in one rounding: the sums keep two more bits where rows are blended. The roundings of left and right differ, so that they cancel.
    const [left, right, shift] = sy === 1 ? [1, 2, 2] : [8, 7, 4];
    for (let x = 0; x < width; x++) sums[x] = sy === 1 ? near[x]! : 3 * near[x]! + far[x]!;
    out[0] = (4 * sums[0]! + left) >> shift;
    for (let x = 1; x < width; x++) {
      out[2 * x - 1] = (3 * sums[x - 1]! + sums[x]! + right) >> shift;
      out[2 * x] = (3 * sums[x]! + sums[x - 1]! + left) >> shift;
    }
    out[2 * width - 1] = (4 * sums[width - 1]! + right) >> shift;
  };
}

/** What the components of a picture mean. */
export type ColorSpace = 'gray' | 'rgb' | 'ycc' | 'cmyk' | 'ycck';

/** Turns rows of component samples into a row of RGB. */
export function toRgb(space: ColorSpace, lines: readonly Uint8Array[], out: Uint8Array): void {
  const [a, b, c, k] = lines as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  switch (space) {
    case 'gray':
      for (let x = 0, o = 0; o < out.length; x++, o += 3) out[o] = out[o + 1] = out[o + 2] = a[x]!;
      return;
    case 'rgb':
    case 'cmyk':
      for (let x = 0, o = 0; o < out.length; x++, o += 3) {
        out[o] = a[x]!;
        out[o + 1] = b[x]!;
        out[o + 2] = c[x]!;
      }
      break;
    default:
      yccToRgb(a, b, c, out);
  }
  if (k) addInk(out, k, space === 'ycck' ? 0 : 255);
}

function yccToRgb(ys: Uint8Array, cbs: Uint8Array, crs: Uint8Array, out: Uint8Array): void {
  for (let x = 0, o = 0; o < out.length; x++, o += 3) {
    const y = ys[x]!;
    const cb = cbs[x]! - 128;
    const cr = crs[x]! - 128;
    out[o] = clamp(y + ((91881 * cr + 32768) >> 16));
    out[o + 1] = clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    out[o + 2] = clamp(y + ((116130 * cb + 32768) >> 16));
  }
}

/** Adobe stores black, and plain CMYK, as the light that ink leaves; YCCK gives the ink itself. `flip` 255 turns light into ink. */
function addInk(out: Uint8Array, black: Uint8Array, flip: number): void {
  for (let o = 0; o < out.length; o++) {
    const light = black[Math.floor(o / 3)]!;
    out[o] = light - share(out[o]! ^ flip, light);
  }
}

const clamp = (x: number): number => (x < 0 ? 0 : Math.min(x, 255));

/** a * b / 255, rounded. */
function share(a: number, b: number): number {
  const t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}
