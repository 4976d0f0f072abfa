// From a picture to the pixels that a vision tower takes: CLIPImageProcessor, to the bit.
//
//   resize the shorter edge to S, the longer to int(S * long / short)  ->  cut SxS from the middle  ->  (byte * 1/255 - mean) / std  ->  planes
//
// Settings are those of a preprocessor_config.json, with the forms and defaults that its files of all ages have.

import { InputError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { normalizePixels } from '../graph/ops/normalizePixels.ts';
import { plan } from '../graph/plan.ts';
import type { Engine } from '../runtime/engine.ts';
import type { Filter } from './filters.ts';
import { BLACK, centered, crop, type Rgb, type RgbImage, squareAround, type Window, whole } from './image.ts';
import { resize } from './resize.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** `pad`: the picture in the middle of a square of the mean colour. `square` (also called none): the middle of the picture. */
export type AspectMode = 'pad' | 'square';

type Triple = readonly [number, number, number];

export interface ImageSettings {
  readonly mode: AspectMode;
  /** The edge that the shorter side gets, or a size for both sides whatever the proportions; null: no resizing. */
  readonly size: number | Size | null;
  readonly filter: Filter;
  /** null: nothing is cut off. */
  readonly crop: Size | null;
  /** Where an odd pixel goes when the middle is cut out: to the right and bottom, or (`even`, open_clip) so that the cut begins at an even one. */
  readonly cropRounding?: 'even';
  /** null: bytes stay 0..255. */
  readonly rescale: number | null;
  /** null: no normalisation. */
  readonly normalize: { readonly mean: Triple; readonly std: Triple } | null;
}

const CLIP_MEAN: Triple = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Triple = [0.26862954, 0.26130258, 0.27577711];
const HALF: Triple = [0.5, 0.5, 0.5];
/** Pillow's numbers. */
const FILTERS: Readonly<Record<number, Filter>> = { 1: 'lanczos', 2: 'bilinear', 3: 'bicubic', 4: 'box' };

/** Settings from the content of a preprocessor_config.json. `name` is for messages. */
export function preprocessing(json: unknown, mode: AspectMode = 'square', name = 'preprocessor_config.json'): ImageSettings {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new InputError(`${name}: not settings: an object is expected`);
  const c = json as Readonly<Record<string, unknown>>;
  const bad = (key: string, expected: string) => new InputError(`${name}: ${key}: got ${JSON.stringify(c[key])}, expected ${expected}`);
  const on = (key: string) => c[key] !== false;
  // SigLIP's processor stretches to a square and cuts nothing.
  const siglip = c.image_processor_type === 'SiglipImageProcessor';
  const triple = (key: string, absent: Triple): Triple => {
    const v = c[key] ?? absent;
    if (!Array.isArray(v) || v.length !== 3 || !v.every((x) => Number.isFinite(x))) throw bad(key, 'three numbers');
    return v as unknown as Triple;
  };
  const edge = (v: unknown) => (Number.isInteger(v) && (v as number) > 0 ? (v as number) : null);
  const both = (v: unknown): Size | null => {
    const { width, height } = (v ?? {}) as { width?: unknown; height?: unknown };
    return edge(width) && edge(height) ? { width: width as number, height: height as number } : null;
  };

  const asked = c.size ?? 224;
  const size = edge(asked) ?? edge((asked as { shortest_edge?: unknown }).shortest_edge) ?? both(asked);
  if (size === null) throw bad('size', 'an integer, {"shortest_edge": n} or {"height": n, "width": n}');
  const cropAsked = c.crop_size ?? 224;
  const square = edge(cropAsked);
  const cut = square ? { width: square, height: square } : both(cropAsked);
  if (cut === null) throw bad('crop_size', 'an integer or {"height": n, "width": n}');
  const filter = FILTERS[(c.resample ?? 3) as number];
  if (filter === undefined) throw bad('resample', '1 (lanczos), 2 (bilinear), 3 (bicubic) or 4 (box)');
  const rescale = c.rescale_factor ?? 1 / 255;
  if (typeof rescale !== 'number' || !Number.isFinite(rescale)) throw bad('rescale_factor', 'a number');
  const std = triple('image_std', siglip ? HALF : CLIP_STD);
  if (std.includes(0)) throw bad('image_std', 'no zeros');

  return {
    mode,
    size: on('do_resize') ? size : null,
    filter,
    crop: on('do_center_crop') && !siglip ? cut : null,
    ...(c.crop_rounding === 'even' && { cropRounding: 'even' as const }),
    rescale: on('do_rescale') ? rescale : null,
    normalize: on('do_normalize') ? { mean: triple('image_mean', siglip ? HALF : CLIP_MEAN), std } : null,
  };
}

/** Pixels of one or more tiles: f32 [tiles, 3, height, width]. */
export interface Pixels {
  readonly tiles: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Preprocesses one picture into one tile: f32 [3, height, width]. */
export async function pixelsOf(image: RgbImage, settings: ImageSettings, engine: Engine): Promise<Float32Array> {
  return (await normalize([await fit(image, settings, engine)], settings, engine)).data;
}

/** The bytes that are normalised: resized and cut. */
export async function fit(image: RgbImage, settings: ImageSettings, engine: Engine): Promise<RgbImage> {
  const pad = settings.mode === 'pad';
  // Resizing takes the square as a window: it never lies in memory.
  const window = pad ? squareAround(image) : whole(image);
  const fill = pad ? padColor(settings) : BLACK;
  const { width, height } = resizedSize(window, settings.size);
  const resized = await resize(image, width, height, engine, { filter: settings.filter, window, fill });
  return settings.crop ? crop(resized, middle(resized, settings.crop, settings)) : resized;
}

/** The part of the picture's plane that `fit` shows, in pixels of the picture. */
export function shownWindow(image: RgbImage, settings: ImageSettings): Window {
  const window = settings.mode === 'pad' ? squareAround(image) : whole(image);
  const { width, height } = resizedSize(window, settings.size);
  const cut = settings.crop ? middle({ ...image, width, height }, settings.crop, settings) : { left: 0, top: 0, width, height };
  const x = window.width / width;
  const y = window.height / height;
  return { left: window.left + cut.left * x, top: window.top + cut.top * y, width: cut.width * x, height: cut.height * y };
}

/** The part in the middle that is cut out. */
function middle(image: RgbImage, { width, height }: Size, { cropRounding }: ImageSettings): Window {
  const window = centered(image, width, height);
  if (cropRounding !== 'even') return window;
  // Half a pixel over: the even one of two neighbours.
  const even = (at: number, whole: number, part: number) => ((whole - part) % 2 ? at + (at & 1) : at);
  return { ...window, left: even(window.left, image.width, width), top: even(window.top, image.height, height) };
}

/** The size after resizing and before cutting. */
export function resizedSize({ width, height }: Size, size: ImageSettings['size']): Size {
  if (size === null) return { width, height };
  if (typeof size !== 'number') return size;
  // The product first, then the quotient: the reference's rounding.
  return width <= height
    ? { width: size, height: Math.trunc((size * height) / width) }
    : { width: Math.trunc((size * width) / height), height: size };
}

/** LLaVA's padding colour: the mean as bytes, rounded down. */
function padColor({ normalize }: ImageSettings): Rgb {
  const [r, g, b] = normalize?.mean ?? CLIP_MEAN;
  return [Math.trunc(r * 255), Math.trunc(g * 255), Math.trunc(b * 255)];
}

/** Bytes of tiles of one size to planes of floats. */
export async function normalize(tiles: readonly RgbImage[], settings: ImageSettings, engine: Engine): Promise<Pixels> {
  const { width, height } = tiles[0] ?? { width: 0, height: 0 };
  const size = 3 * width * height;
  const data = new Float32Array(tiles.length * size);
  const g = new Graph('normalize pixels');
  const inputs = [g.input('image', 'u8', [height, width, 3]), g.input('table', 'f32', [3, 256])];
  g.output('pixels', g.add(normalizePixels, inputs, {}));
  const program = engine.install(plan(g));
  try {
    engine.write(program, 'table', normalizeTable(settings));
    for (const [i, tile] of tiles.entries()) {
      if (tile.width !== width || tile.height !== height) {
        throw new InputError(
          `normalize: tiles differ: got ${tile.width} x ${tile.height} after ${width} x ${height}, one size is expected`,
        );
      }
      engine.write(program, 'image', tile.data);
      await engine.run(program);
      data.set(engine.read(program, 'pixels'), i * size);
    }
  } finally {
    engine.uninstall(program);
  }
  return { tiles: tiles.length, height, width, data };
}

/** What each byte becomes, per channel: the product in float64 rounded to float32, the rest in float32. */
export function normalizeTable({ rescale, normalize }: ImageSettings): Float32Array {
  const table = new Float32Array(768);
  for (let c = 0; c < 3; c++) {
    const mean = Math.fround(normalize?.mean[c] ?? 0);
    const std = Math.fround(normalize?.std[c] ?? 1);
    for (let byte = 0; byte < 256; byte++) {
      const x = Math.fround(byte * (rescale ?? 1));
      table[c * 256 + byte] = Math.fround(x - mean) / std;
    }
  }
  return table;
}
