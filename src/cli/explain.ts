// `pumice run --explain`: how a picture was cut and where its visual tokens look, as a PNG.
//
//   above   the picture, bright where tokens look, dark where patches were dropped, with a frame around each slice
//   below   one small picture for each of the last view's tokens (the overview where there are slices), 64 at most

import { writeFile } from 'node:fs/promises';
import { Jimp } from 'jimp';
import { InputError } from '../errors.ts';
import type { PictureView, RgbImage } from '../index.ts';

/** Longer side of the picture above. */
const LARGE = 896;
/** Small pictures in a row, and in all. */
const ACROSS = 8;
const TOKENS = 64;
const GAP = 4;
/** Pixels of a frame's line. */
const LINE = 2;

/** Channels of a bitmap: red, green, blue, opacity. */
const CHANNELS = 4;
type Canvas = ReturnType<typeof canvas>;

/** Collects what the encoding of pictures shows, and writes one drawing for each. */
export class Drawings {
  readonly #pictures: Map<number, { image: RgbImage; views: PictureView[] }> = new Map();

  add(picture: number, image: RgbImage, view: PictureView): void {
    const known = this.#pictures.get(picture);
    if (known) known.views.push(view);
    else this.#pictures.set(picture, { image, views: [view] });
  }

  /** The first picture goes to `file`, the others beside it: `out.png`, `out-2.png`. */
  async write(file: string): Promise<void> {
    if (!this.#pictures.size)
      throw new InputError('--explain: there is nothing to draw: give a picture, and a model that shows what it looks at');
    for (const [i, { image, views }] of this.#pictures) {
      const name = i === 0 ? file : file.replace(/(\.[^./\\]*)?$/, `-${i + 1}$1`);
      await writeFile(name, await drawExplanation(image, views));
    }
  }
}

/** Draws one picture with the views that its encoding gave. Returns the bytes of a PNG. */
export async function drawExplanation(image: RgbImage, views: readonly PictureView[]): Promise<Uint8Array> {
  const scale = LARGE / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const large = scaled(image, width, height);
  const cut = views.length > 1 ? views.slice(0, -1) : views;
  for (const view of cut) {
    if (view.attention) light(large, scale, view, together(view.attention, view.grid));
    if (view.kept) darken(large, scale, view, view.kept);
  }
  if (views.length > 1) for (const { window } of cut) frame(large, scale, window);

  const last = views.at(-1);
  const panels = last?.attention ? tokenPanels(image, last, last.attention) : [];
  const [panel] = panels;
  const sheetRows = Math.ceil(panels.length / ACROSS);
  const sheet = panel ? sheetRows * (panel.bitmap.height + GAP) : 0;
  const sheetWidth = panel ? Math.min(ACROSS, panels.length) * (panel.bitmap.width + GAP) - GAP : 0;
  const all = canvas(Math.max(width, sheetWidth), height + sheet);
  paste(all, large, 0, 0);
  for (const [i, p] of panels.entries()) {
    paste(all, p, (i % ACROSS) * (p.bitmap.width + GAP), height + GAP + Math.floor(i / ACROSS) * (p.bitmap.height + GAP));
  }
  return new Uint8Array(await all.getBuffer('image/png'));
}

/** A small picture per token, evenly chosen where there are too many. */
function tokenPanels(image: RgbImage, view: PictureView, attention: Float32Array): Canvas[] {
  const patches = view.grid.width * view.grid.height;
  const tokens = attention.length / patches;
  const shown = Math.min(tokens, TOKENS);
  const room = LARGE / ACROSS - GAP;
  const scale = room / Math.max(image.width, image.height);
  const small = scaled(image, Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale)));
  return Array.from({ length: shown }, (_, i) => {
    const token = Math.floor((i * tokens) / shown);
    const panel = canvas(small.bitmap.width, small.bitmap.height);
    paste(panel, small, 0, 0);
    light(panel, scale, view, strongest(attention.subarray(token * patches, (token + 1) * patches)));
    return panel;
  });
}

/** What all tokens look at: the largest weight of any, 1 where it is largest. */
function together(attention: Float32Array, grid: PictureView['grid']): Float32Array {
  const patches = grid.width * grid.height;
  const most = new Float32Array(patches);
  for (const [i, weight] of attention.entries()) most[i % patches] = Math.max(most[i % patches]!, weight);
  return strongest(most);
}

function strongest(weights: Float32Array): Float32Array {
  const most = weights.reduce((a, b) => Math.max(a, b), 0);
  return weights.map((w) => (most > 0 ? w / most : 0));
}

/** Amber: told apart from a gray picture by everybody. */
const LIT = [255, 170, 40] as const;
/** Share of its own colours that a picture keeps below the light. */
const COLORFUL = 0.35;

/** Dims the picture to near gray, so that its own colours are not taken for light, and lights what is looked at. `weights`: 0..1 per patch. */
function light(to: Canvas, scale: number, view: PictureView, weights: Float32Array): void {
  eachPixel(to, scale, view, (data, at, patch) => {
    const w = weights[patch]!;
    const gray = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
    for (const [c, lit] of LIT.entries()) {
      const own = gray + COLORFUL * (data[at + c]! - gray);
      data[at + c] = Math.min(255, 0.5 * own + 0.65 * w * lit);
    }
  });
}

/** Nearly blackens dropped patches. */
function darken(to: Canvas, scale: number, view: PictureView, kept: Uint8Array): void {
  eachPixel(to, scale, view, (data, at, patch) => {
    if (kept[patch]) return;
    for (let c = 0; c < 3; c++) data[at + c] = 0.2 * data[at + c]!;
  });
}

/** Visits the pixels of a view's window, each with its patch. */
function eachPixel(
  to: Canvas,
  scale: number,
  { window, grid }: PictureView,
  visit: (data: Buffer, at: number, patch: number) => void,
): void {
  const { width, height, data } = to.bitmap;
  const x0 = Math.max(0, Math.round(window.left * scale));
  const y0 = Math.max(0, Math.round(window.top * scale));
  const x1 = Math.min(width, Math.round((window.left + window.width) * scale));
  const y1 = Math.min(height, Math.round((window.top + window.height) * scale));
  const cell = (at: number, from: number, length: number, cells: number) =>
    Math.min(cells - 1, Math.max(0, Math.floor((((at + 0.5) / scale - from) / length) * cells)));
  for (let y = y0; y < y1; y++) {
    const row = cell(y, window.top, window.height, grid.height) * grid.width;
    for (let x = x0; x < x1; x++) {
      visit(data as Buffer, (y * width + x) * CHANNELS, row + cell(x, window.left, window.width, grid.width));
    }
  }
}

/** A white frame around a slice. */
function frame(to: Canvas, scale: number, { left, top, width: w, height: h }: PictureView['window']): void {
  const { width, height, data } = to.bitmap;
  const [x0, y0, x1, y1] = [left, top, left + w, top + h].map((v) => Math.round(v * scale)) as [number, number, number, number];
  for (let y = Math.max(0, y0); y < Math.min(height, y1); y++) {
    for (let x = Math.max(0, x0); x < Math.min(width, x1); x++) {
      if (x - x0 < LINE || y - y0 < LINE || x1 - x <= LINE || y1 - y <= LINE)
        data.fill(255, (y * width + x) * CHANNELS, (y * width + x + 1) * CHANNELS);
    }
  }
}

const canvas = (width: number, height: number) => new Jimp({ width, height, color: 0x202020ff });

function scaled({ width, height, data }: RgbImage, toWidth: number, toHeight: number): Canvas {
  const image = canvas(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += CHANNELS) image.bitmap.data.set(data.subarray(from, from + 3), to);
  image.resize({ w: toWidth, h: toHeight });
  return image;
}

function paste(to: Canvas, from: Canvas, x: number, y: number): void {
  to.composite(from, x, y);
}
