// Tables for the op sampleRows: which rows of a map, with which weights, make each row of another.

import type { Size } from './preprocess.ts';

/** Row r of the result is the sum over `taps` of weights[r, t] * map[index[r, t]]. An index of -1 adds nothing. */
export interface Samples {
  readonly rows: number;
  readonly taps: number;
  readonly index: Int32Array;
  readonly weights: Float32Array;
}

/** Fills a table from one list of (row, weight) pairs per row. */
export function samplesOf(lists: readonly (readonly (readonly [row: number, weight: number])[])[]): Samples {
  const taps = Math.max(1, ...lists.map((l) => l.length));
  const index = new Int32Array(lists.length * taps).fill(-1);
  const weights = new Float32Array(lists.length * taps);
  for (const [r, list] of lists.entries()) {
    for (const [t, [row, weight]] of list.entries()) {
      index[r * taps + t] = row;
      weights[r * taps + t] = weight;
    }
  }
  return { rows: lists.length, taps, index, weights };
}

/**
 * Resizes a map of rows, row-major over `from`, to the grid `to`: bicubic with A = -0.75, half-pixel centres, taps clamped to the edge,
 * no antialiasing (PyTorch's `interpolate`). `skip` rows before the map, such as a class row, are passed through.
 */
export function bicubicSamples(from: Size, to: Size, skip = 0): Samples {
  const xs = axis(from.width, to.width);
  const ys = axis(from.height, to.height);
  const lists: [number, number][][] = Array.from({ length: skip }, (_, i) => [[i, 1]]);
  for (const y of ys) {
    for (const x of xs) lists.push(y.flatMap(([i, a]) => x.map(([j, b]): [number, number] => [skip + i * from.width + j, a * b])));
  }
  return samplesOf(lists);
}

/** Four taps for each of `to` points over `from`. Coordinates in float32, as the reference has them. */
function axis(from: number, to: number): [at: number, weight: number][][] {
  const scale = Math.fround(from / to);
  return Array.from({ length: to }, (_, i) => {
    const at = Math.fround(Math.fround(Math.fround(i + 0.5) * scale) - 0.5);
    const first = Math.floor(at);
    const t = Math.fround(at - first);
    return [t + 1, t, 1 - t, 2 - t].map((d, k): [number, number] => [Math.min(Math.max(first - 1 + k, 0), from - 1), cubic(d)]);
  });
}

const cubic = (s: number): number => (s <= 1 ? (1.25 * s - 2.25) * s * s + 1 : -0.75 * (((s - 5) * s + 8) * s - 4));
