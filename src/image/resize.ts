// Resizing as Pillow (up to 12) does it, to the bit: rows first, rounded to bytes, then columns. A pass whose size does not change is left out.
// The one resampler of the package. It runs on an engine, in bands, so that a large picture never lies in linear memory as a whole.

import { InputError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { resizeHorizontal, rowBytes } from '../graph/ops/resizeHorizontal.ts';
import { resizeVertical } from '../graph/ops/resizeVertical.ts';
import { plan } from '../graph/plan.ts';
import type { Engine } from '../runtime/engine.ts';
import { type Filter, resizeTable } from './filters.ts';
import { BLACK, copyWindow, crop, type Rgb, type RgbImage, type Window, whole } from './image.ts';

export interface ResizeOptions {
  /** Default bicubic. */
  readonly filter?: Filter;
  /** The part of the plane to resize, as if it had been cropped or padded before; default: the image. */
  readonly window?: Window;
  /** Colour of the window outside the image; default black. */
  readonly fill?: Rgb;
}

/** Pixels of one band of rows, in bytes of linear memory. */
const BAND_BYTES = 1 << 22;
/** Bound of what lies between the passes, and of the result: extreme proportions reach it, photographs do not. */
const MAX_BYTES = 1 << 30;

/**
 * Resizes an image (or a window of its plane) to exactly `width` x `height`. One call at a time for an engine.
 * @throws InputError where the sizes leave no room.
 */
export async function resize(
  image: RgbImage,
  width: number,
  height: number,
  engine: Engine,
  options: ResizeOptions = {},
): Promise<RgbImage> {
  const { filter = 'bicubic', window = whole(image), fill = BLACK } = options;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new InputError(
      `resize: no pixels are left: got ${width} x ${height} from ${window.width} x ${window.height}, at least 1 x 1 is expected`,
    );
  }
  const bytes = rowBytes(width);
  if (bytes * Math.max(height, window.height) > MAX_BYTES) {
    throw new InputError(
      `resize: too large: got ${window.width} x ${window.height} to ${width} x ${height}, at most ${MAX_BYTES} bytes are allowed`,
    );
  }
  if (height === window.height) {
    if (width === window.width) return crop(image, window, fill);
    return packed(await horizontal(engine, image, window, fill, width, filter), width, height);
  }
  let columns: Uint8Array;
  if (width === window.width) {
    columns = new Uint8Array(bytes * window.height);
    copyWindow(image, window, fill, columns, bytes);
  } else {
    columns = await horizontal(engine, image, window, fill, width, filter);
  }
  return packed(await vertical(engine, columns, bytes, window.height, height, filter), width, height);
}

/** Row pass. The result has `rowBytes(width)` bytes per row. */
async function horizontal(engine: Engine, image: RgbImage, window: Window, fill: Rgb, width: number, filter: Filter): Promise<Uint8Array> {
  const inBytes = rowBytes(window.width);
  const outBytes = rowBytes(width);
  const band = Math.min(window.height, Math.max(1, Math.floor(BAND_BYTES / inBytes)));
  const table = resizeTable(window.width, width, filter);

  const g = new Graph('resize rows');
  const input = g.input('image', 'u8', [band, inBytes]);
  const result = g.output(
    'resized',
    g.add(resizeHorizontal, [input, g.input('table', 'i32', [width, table.cols])], { from: window.width }),
  );
  const program = engine.install(plan(g));
  try {
    engine.write(program, 'table', table.words);
    const all = new Uint8Array(window.height * outBytes);
    for (let y = 0; y < window.height; y += band) {
      // The last band may leave rows of the band before it: they are computed and not read.
      const rows = Math.min(band, window.height - y);
      copyWindow(
        image,
        { ...window, top: window.top + y, height: rows },
        fill,
        engine.bytes.subarray(engine.locate(program, input)),
        inBytes,
      );
      await engine.run(program);
      const at = engine.locate(program, result);
      all.set(engine.bytes.subarray(at, at + rows * outBytes), y * outBytes);
    }
    return all;
  } finally {
    engine.uninstall(program);
  }
}

/** Column pass over rows of `bytes` bytes. */
async function vertical(engine: Engine, columns: Uint8Array, bytes: number, from: number, to: number, filter: Filter): Promise<Uint8Array> {
  const table = resizeTable(from, to, filter);
  const g = new Graph('resize columns');
  const inputs = [g.input('image', 'u8', [from, bytes]), g.input('table', 'i32', [to, table.cols])];
  const result = g.output('resized', g.add(resizeVertical, inputs, {}));
  const program = engine.install(plan(g));
  try {
    engine.write(program, 'image', columns);
    engine.write(program, 'table', table.words);
    await engine.run(program);
    const at = engine.locate(program, result);
    return engine.bytes.slice(at, at + to * bytes);
  } finally {
    engine.uninstall(program);
  }
}

/** Takes the spare bytes at the end of each row away. */
function packed(rows: Uint8Array, width: number, height: number): RgbImage {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) data.set(rows.subarray(y * rowBytes(width), y * rowBytes(width) + 3 * width), y * 3 * width);
  return { width, height, data };
}
