// Windows of LLaVA-UHD's resampler: each query sees its own part of the slice, as the means of bilinear samples in a few bins
// (RoIAlign without the half-pixel shift; He et al. 2017). Grids are in patches.

import { f16ToF32, f32ToF16 } from '../formats/half.ts';
import type { Size } from '../image/preprocess.ts';
import { type Samples, samplesOf } from '../image/sampling.ts';

const BINS: readonly Size[] = [
  { width: 4, height: 2 },
  { width: 3, height: 2 },
  { width: 4, height: 3 },
  { width: 3, height: 3 },
  { width: 2, height: 4 },
  { width: 2, height: 3 },
  { width: 3, height: 4 },
];

const f32 = Math.fround;

/** Bins of every window of a grid: as many keys does a query see. */
export function windowBins(grid: Size): Size {
  const distance = (bins: Size) => Math.abs(Math.log(grid.width / grid.height) - Math.log(bins.width / bins.height));
  return BINS.reduce((best, bins) => (distance(bins) < distance(best) ? bins : best));
}

/**
 * Corners x1, y1, x2, y2 of `side` x `side` windows, row-major: f32 [side², 4]. `half`: rounded as a run in float16 does.
 */
export function windowBoxes(grid: Size, side: number, half = false): Float32Array {
  const ratio = grid.width / grid.height;
  const height = Math.sqrt((grid.height * grid.width) / (side * side) / ratio);
  const width = height * ratio;
  const boxes = new Float32Array(4 * side * side);
  for (let i = 0; i < side * side; i++) {
    const x = (i % side) * width;
    const y = Math.floor(i / side) * height;
    boxes.set([x, y, x + width, y + height], 4 * i);
  }
  return half ? boxes.map((v) => f16ToF32(f32ToF16(v))) : boxes;
}

/** Rows of the grid that each bin of each window is made of: `side² * bins` rows, bins row-major within a window. */
export function windowSamples(grid: Size, side: number, half = false): Samples {
  const bins = windowBins(grid);
  const boxes = windowBoxes(grid, side, half);
  const lists: [number, number][][] = [];
  for (let i = 0; i < boxes.length; i += 4) {
    const xs = axisBins(boxes[i]!, boxes[i + 2]!, bins.width, grid.width);
    const ys = axisBins(boxes[i + 1]!, boxes[i + 3]!, bins.height, grid.height);
    for (const y of ys) {
      for (const x of xs) lists.push(y.flatMap(([row, a]) => x.map(([column, b]): [number, number] => [row * grid.width + column, a * b])));
    }
  }
  return samplesOf(lists);
}

/** For each bin between two corners, the points of one axis with their share of the mean. Points beyond the map count as zeros. */
function axisBins(from: number, to: number, bins: number, size: number): [at: number, weight: number][][] {
  const bin = f32(Math.max(f32(to - from), 1) / bins);
  const samples = Math.ceil(bin);
  return Array.from({ length: bins }, (_, p) => {
    const points = new Map<number, number>();
    const add = (at: number, weight: number) => weight !== 0 && points.set(at, (points.get(at) ?? 0) + weight / samples);
    for (let i = 0; i < samples; i++) {
      const at = f32(f32(from + f32(p * bin)) + f32(f32(f32(i + 0.5) * bin) / samples));
      if (at < -1 || at > size) continue;
      const inside = Math.max(at, 0);
      const low = Math.trunc(inside);
      if (low >= size - 1) add(size - 1, 1);
      else {
        add(low, 1 - (inside - low));
        add(low + 1, inside - low);
      }
    }
    return [...points];
  });
}
