// LLaVA-UHD's slices (Xu et al. 2024): a picture in a grid that keeps its proportions, each slice about as large as the tower's square,
// and once more as a whole. Sizes follow the reference in float64, operation by operation: a slice more or less changes every token.

import { InputError } from '../errors.ts';
import type { Engine } from '../runtime/engine.ts';
import { crop, type RgbImage, type Window, whole } from './image.ts';
import type { Size } from './preprocess.ts';
import { resize } from './resize.ts';

export interface SliceSettings {
  /** Side of the square that a slice has the area of. */
  readonly resolution: number;
  /** Side of a patch: sizes are multiples of it. */
  readonly patch: number;
  /** Slices at most, without the overview. */
  readonly maxSlices: number;
}

/** What is cut: sizes in pixels after resizing. */
export interface SlicePlan {
  readonly overview: Size;
  /** Columns and rows, and the size of each slice; absent: only the overview. */
  readonly cut?: { readonly grid: Size; readonly slice: Size };
}

/** The size that evaluations give a picture before it is sliced: its longer side becomes `side`, upwards too. */
export function preResized({ width, height }: Size, side: number): Size {
  // The quotient first, then the product: the reference's rounding.
  return width > height
    ? { width: side, height: Math.trunc((side / width) * height) }
    : { width: Math.trunc((side / height) * width), height: side };
}

/** The released slicing (July 2024). */
export function planSlices({ width, height }: Size, { resolution, patch, maxSlices }: SliceSettings): SlicePlan {
  const area = resolution * resolution;
  const ideal = Math.min(Math.ceil((width * height) / area), maxSlices);
  const fitted = (w: number, h: number, upwards: boolean): Size => {
    if (w * h <= area && !upwards) return { width: multiple(w, patch), height: multiple(h, patch) };
    // The height is truncated first, and the width follows from it.
    const ratio = w / h;
    const tall = Math.trunc(resolution / Math.sqrt(ratio));
    return { width: multiple(Math.trunc(tall * ratio), patch), height: multiple(tall, patch) };
  };
  if (ideal <= 1) return { overview: fitted(width, height, true) };
  const counts = [ideal - 1, ideal, ideal + 1].filter((n) => n !== 1 && n <= maxSlices);
  const grid = bestGrid(width / height, counts);
  const slice = fitted(multiple(width, grid.width) / grid.width, multiple(height, grid.height) / grid.height, true);
  return { overview: fitted(width, height, false), cut: { grid, slice } };
}

/** The grid of one of these numbers of slices whose proportions are nearest; the first of equals. */
function bestGrid(ratio: number, counts: readonly number[]): Size {
  let best: Size = { width: 1, height: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (const n of counts) {
    for (let columns = 1; columns <= n; columns++) {
      if (n % columns) continue;
      const error = Math.abs(Math.log(ratio) - logRatio(columns, n / columns));
      if (error >= least) continue;
      least = error;
      best = { width: columns, height: n / columns };
    }
  }
  return best;
}

/** Two grids of six are equally far from a square but for the last bit, which engines may round either way: 3 x 2 is nearer (sic). */
const logRatio = (columns: number, rows: number): number => {
  if (columns === 2 && rows === 3) return -0.40546510810816444;
  if (columns === 3 && rows === 2) return 0.4054651081081644;
  return Math.log(columns / rows);
};

const multiple = (length: number, of: number): number => Math.max(Math.floor(length / of) * of, of);

/** A piece of a picture at the size that the tower sees. */
export interface Piece {
  readonly image: RgbImage;
  /** Where it lies, in pixels of the picture. */
  readonly window: Window;
}

/** The pieces of a plan: overview, then slices row by row. All slices come from one resize of the picture. */
export async function cutSlices(
  image: RgbImage,
  { overview, cut }: SlicePlan,
  engine: Engine,
): Promise<{ overview: Piece; slices: Piece[] }> {
  const small = await resize(image, overview.width, overview.height, engine);
  const slices: Piece[] = [];
  if (cut) {
    const { grid, slice } = cut;
    const refined = await resize(image, slice.width * grid.width, slice.height * grid.height, engine);
    const width = image.width / grid.width;
    const height = image.height / grid.height;
    for (let y = 0; y < grid.height; y++) {
      for (let x = 0; x < grid.width; x++) {
        slices.push({
          image: crop(refined, { left: x * slice.width, top: y * slice.height, ...slice }),
          window: { left: x * width, top: y * height, width, height },
        });
      }
    }
  }
  return { overview: { image: small, window: whole(image) }, slices };
}

/** The slicing of the paper's first code (March 2024): boxes of the picture itself, and the patches that each is resized to. */
export interface PaperPlan {
  readonly grid: Size;
  readonly boxes: readonly Window[];
  /** In patches. */
  readonly slice: Size;
  readonly overview: Size;
}

export function planPaperSlices({ width, height }: Size, { resolution, patch, maxSlices }: SliceSettings): PaperPlan {
  const ideal = Math.min(Math.ceil((width * height) / (resolution * resolution)), maxSlices);
  const grid = bestGrid(width / height, ideal <= 2 ? [ideal, ideal + 1] : [ideal - 1, ideal, ideal + 1]);
  const edge = (i: number, length: number, parts: number) => Math.floor((i * length) / parts);
  const boxes: Window[] = [];
  for (let y = 0; y < grid.height; y++) {
    for (let x = 0; x < grid.width; x++) {
      const left = edge(x, width, grid.width);
      const top = edge(y, height, grid.height);
      boxes.push({ left, top, width: edge(x + 1, width, grid.width) - left, height: edge(y + 1, height, grid.height) - top });
    }
  }
  const most = Math.floor(resolution / patch) ** 2;
  const patches = (w: number, h: number): Size => {
    const scale = Math.sqrt(most * (patch / h) * (patch / w));
    const count = (length: number) => Math.min(Math.max(Math.floor((scale * length) / patch), 1), most);
    return { width: count(w), height: count(h) };
  };
  const slice = patches(Math.floor(width / grid.width), Math.floor(height / grid.height));
  return { grid, boxes, slice, overview: patches(width, height) };
}

/** The pieces of a paper plan. */
export async function cutPaperSlices(
  image: RgbImage,
  { boxes, slice, overview }: PaperPlan,
  patch: number,
  engine: Engine,
): Promise<{ overview: Piece; slices: Piece[] }> {
  const piece = async (window: Window, size: Size): Promise<Piece> => ({
    image: await resize(image, size.width * patch, size.height * patch, engine, { window }),
    window,
  });
  const slices: Piece[] = [];
  if (boxes.length > 1) for (const box of boxes) slices.push(await piece(box, slice));
  return { overview: await piece(whole(image), overview), slices };
}

/** Resizes a picture as evaluations do before slicing. */
export async function preResize(image: RgbImage, side: number, engine: Engine): Promise<RgbImage> {
  const { width, height } = preResized(image, side);
  if (width < 1 || height < 1) {
    throw new InputError(
      `picture: is too narrow: got ${image.width} x ${image.height}, nothing is left of its short side when the long one is ${side}: give preResize: null`,
    );
  }
  return resize(image, width, height, engine);
}
