// Coefficients of Pillow's separable resampler (its releases up to 12), in float64 as Pillow computes them.
//
//   scale = from / to;  f = max(scale, 1);  support = radius * f        f > 1 widens the filter: that is the antialiasing
//   c = (x + 0.5) * scale
//   lo = max(0, trunc(c - support + 0.5));  hi = min(from, trunc(c + support + 0.5))
//   w[i] = filter((lo + i - c + 0.5) / f), divided by their sum;  k[i] = trunc(w[i] * 2^22 ± 0.5)

/** Fraction bits of a coefficient. */
export const COEFFICIENT_BITS = 22;
/** Kernels take a coefficient as hi * 2^LOW_BITS + lo, so that both halves fit a signed 16-bit lane. */
export const LOW_BITS = 11;

export type Filter = 'box' | 'bilinear' | 'bicubic' | 'lanczos';

interface Shape {
  readonly radius: number;
  weight(t: number): number;
}

function sinc(t: number): number {
  return t === 0 ? 1 : Math.sin(t * Math.PI) / (t * Math.PI);
}

function cubic(t: number): number {
  const a = -0.5;
  const u = Math.abs(t);
  if (u < 1) return ((a + 2) * u - (a + 3)) * u * u + 1;
  return u < 2 ? (((u - 5) * u + 8) * u - 4) * a : 0;
}

const SHAPES: Readonly<Record<Filter, Shape>> = {
  // Half open: each sample belongs to one box.
  box: { radius: 0.5, weight: (t) => (t > -0.5 && t <= 0.5 ? 1 : 0) },
  bilinear: { radius: 1, weight: (t) => Math.max(0, 1 - Math.abs(t)) },
  bicubic: { radius: 2, weight: cubic },
  lanczos: { radius: 3, weight: (t) => (t >= -3 && t < 3 ? sinc(t) * sinc(t / 3) : 0) },
};

/** The window and the integer coefficients of each output sample. */
export interface Coefficients {
  /** First input sample of each output sample. */
  readonly first: Int32Array;
  /** Input samples of each output sample. */
  readonly count: Int32Array;
  /** `taps` coefficients for each output sample, 0 after its count. */
  readonly values: Int32Array;
  readonly taps: number;
}

/** Coefficients that take `from` samples to `to` samples. */
export function coefficients(from: number, to: number, filter: Filter): Coefficients {
  const { radius, weight } = SHAPES[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = radius * stretch;
  const inverse = 1 / stretch; // Pillow multiplies by the inverse: the box filter's edge sees the difference
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const values = new Int32Array(to * taps);
  const w = new Float64Array(taps);
  for (let x = 0; x < to; x++) {
    const center = (x + 0.5) * scale;
    const lo = Math.max(0, Math.trunc(center - support + 0.5));
    const n = Math.min(from, Math.trunc(center + support + 0.5)) - lo;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += w[i] = weight((i + lo - center + 0.5) * inverse);
    for (let i = 0; i < n; i++) {
      const share = (sum === 0 ? w[i]! : w[i]! / sum) * 2 ** COEFFICIENT_BITS;
      values[x * taps + i] = Math.trunc(share + (share < 0 ? -0.5 : 0.5));
    }
    first[x] = lo;
    count[x] = n;
  }
  return { first, count, values, taps };
}

/** The table that the resize kernels read: per output sample `first, pairs`, then two words for each pair of taps. */
export interface Table {
  readonly words: Int32Array;
  /** Words of one output sample. */
  readonly cols: number;
}

/** Coefficients in the form of the kernels. */
export function resizeTable(from: number, to: number, filter: Filter): Table {
  const { first, count, values, taps } = coefficients(from, to, filter);
  const cols = 2 + 2 * Math.ceil(taps / 2);
  const words = new Int32Array(to * cols);
  for (let x = 0; x < to; x++) {
    const at = x * cols;
    words[at] = first[x]!;
    words[at + 1] = Math.ceil(count[x]! / 2);
    for (let i = 0; i < count[x]!; i += 2) {
      const k0 = values[x * taps + i]!;
      const k1 = i + 1 < count[x]! ? values[x * taps + i + 1]! : 0;
      words[at + 2 + i] = pair(k0 >> LOW_BITS, k1 >> LOW_BITS);
      words[at + 3 + i] = pair(k0 & (2 ** LOW_BITS - 1), k1 & (2 ** LOW_BITS - 1));
    }
  }
  return { words, cols };
}

const pair = (low: number, high: number): number => (low & 0xffff) | (high << 16);
