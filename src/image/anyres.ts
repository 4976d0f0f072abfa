// LLaVA-1.6's any-resolution tiling: the picture on a canvas of the best fitting grid of tiles, and once more as a whole.
// Sizes follow the reference in float64, operation by operation: a tile more or less changes every token after it.

import { InputError } from '../errors.ts';
import type { Engine } from '../runtime/engine.ts';
import { crop, type RgbImage, type Window } from './image.ts';
import { fit, type ImageSettings, normalize, type Pixels, type Size } from './preprocess.ts';
import { resize } from './resize.ts';

/** Reads `image_grid_pinpoints`: pairs of numbers, or a string with a Python literal of them. `order` says which comes first. */
export function readPinpoints(value: unknown, order: 'width-first' | 'height-first', name = 'image_grid_pinpoints'): readonly Size[] {
  let pairs = value;
  if (typeof value === 'string') {
    try {
      pairs = JSON.parse(
        value
          .replaceAll('(', '[')
          .replaceAll(')', ']')
          .replace(/,\s*\]/g, ']'),
      );
    } catch (e) {
      throw new InputError(`${name}: not a list: got ${JSON.stringify(value)}, pairs of numbers are expected`, { cause: e });
    }
  }
  const ok = (p: unknown): p is [number, number] => Array.isArray(p) && p.length === 2 && p.every((n) => Number.isInteger(n) && n > 0);
  if (!Array.isArray(pairs) || pairs.length === 0 || !pairs.every(ok)) {
    throw new InputError(`${name}: not a list of resolutions: got ${JSON.stringify(value)}, pairs of positive integers are expected`);
  }
  return pairs.map(([a, b]) => (order === 'width-first' ? { width: a, height: b } : { width: b, height: a }));
}

/** The resolution that shows most of the picture's own pixels; among equals the one that wastes least; among those the first. */
export function selectBestResolution({ width, height }: Size, pinpoints: readonly Size[]): Size {
  let best: Size | undefined;
  let most = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const p of pinpoints) {
    const scale = Math.min(p.width / width, p.height / height);
    const effective = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const waste = p.width * p.height - effective;
    if (effective > most || (effective === most && waste < least)) {
      best = p;
      most = effective;
      least = waste;
    }
  }
  if (!best) throw new InputError('image_grid_pinpoints: no resolutions: at least one is expected');
  return best;
}

/** The picture resized into `target`, its proportions kept, in the middle of black. */
export async function canvas(image: RgbImage, target: Size, engine: Engine): Promise<RgbImage> {
  const scaleX = target.width / image.width;
  const scaleY = target.height / image.height;
  const width = scaleX < scaleY ? target.width : Math.min(Math.ceil(image.width * scaleY), target.width);
  const height = scaleX < scaleY ? Math.min(Math.ceil(image.height * scaleX), target.height) : target.height;
  const resized = await resize(image, width, height, engine);
  return crop(resized, { left: 0 - Math.floor((target.width - width) / 2), top: 0 - Math.floor((target.height - height) / 2), ...target });
}

/** Tiles of one picture, and how they lie. */
export interface TiledPixels extends Pixels {
  /** Tiles in a row and in a column of the grid; tile 0 is the whole picture, the grid follows row by row. */
  readonly grid: Size;
}

/** Preprocesses one picture into `1 + columns * rows` tiles. */
export async function preprocessAnyres(
  image: RgbImage,
  settings: ImageSettings,
  pinpoints: readonly Size[],
  engine: Engine,
): Promise<TiledPixels> {
  const side = tileSide(settings);
  const target = selectBestResolution(image, pinpoints);
  const all = await canvas(image, target, engine);
  const grid = { width: Math.floor(target.width / side), height: Math.floor(target.height / side) };
  const tiles = [await baseTile(image, settings, engine)];
  for (let top = 0; top < grid.height; top++) {
    for (let left = 0; left < grid.width; left++) tiles.push(crop(all, { left: left * side, top: top * side, width: side, height: side }));
  }
  // Tiles have the size already unless the settings are unusual: then each is resized and cut as a picture.
  const fitted: RgbImage[] = [];
  for (const tile of tiles) fitted.push(await fit(tile, { ...settings, mode: 'square' }, engine));
  return { ...(await normalize(fitted, settings, engine)), grid };
}

/** The part of a grid of features that shows the picture and not the canvas around it. It may have no rows or no columns. */
export function unpadded(image: Size, grid: Size): Window {
  // The quotient first, then the product: the reference's rounding. Both sides lose the same, so that an odd row stays.
  if (image.width / image.height > grid.width / grid.height) {
    const height = Math.trunc(image.height * (grid.width / image.width));
    const top = Math.floor((grid.height - height) / 2);
    return { left: 0, top, width: grid.width, height: grid.height - 2 * top };
  }
  const width = Math.trunc(image.width * (grid.height / image.height));
  const left = Math.floor((grid.width - width) / 2);
  return { left, top: 0, width: grid.width - 2 * left, height: grid.height };
}

/** The whole picture as one square tile, whatever its proportions. */
export function baseTile(image: RgbImage, settings: ImageSettings, engine: Engine): Promise<RgbImage> {
  const edge = typeof settings.size === 'number' ? settings.size : tileSide(settings);
  return resize(image, edge, edge, engine);
}

function tileSide({ crop, size }: ImageSettings): number {
  const side = crop?.height ?? (typeof size === 'number' ? size : size?.height);
  if (side === undefined) throw new InputError('preprocessor: no tile size: crop_size or size is expected for tiles');
  return side;
}
