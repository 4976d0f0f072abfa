// Golden cases of picture preprocessing: clip-preprocess-small, clip-preprocess-real, anyres-token-counts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseTile, canvas, preprocessAnyres, readPinpoints, selectBestResolution, unpadded } from '../image/anyres.ts';
import { decodeImage } from '../image/decode.ts';
import type { RgbImage } from '../image/image.ts';
import { type AspectMode, fit, type ImageSettings, pixelsOf, preprocessing } from '../image/preprocess.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { assertClose, assertSame, floats, type GoldenCase, integers, type LoadedTensor, loadTensors, readCase, tensor } from './compare.ts';
import type { CaseRunner } from './runner.ts';

const MODES: readonly AspectMode[] = ['square', 'pad'];

export const cases: readonly CaseRunner[] = [
  { matches: (system, name) => system === 'llava-1.5' && name === 'clip-preprocess-small', run: (dir) => withEngine((e) => small(e, dir)) },
  { matches: (system, name) => system === 'llava-1.5' && name === 'clip-preprocess-real', run: (dir) => withEngine((e) => real(e, dir)) },
  { matches: (system, name) => system === 'llava-1.5' && name === 'anyres-token-counts', run: async (dir) => resolutions(dir) },
];

async function withEngine(body: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    await body(engine);
  } finally {
    await engine.dispose();
  }
}

async function small(engine: Engine, dir: string): Promise<void> {
  const { params } = readCase(dir);
  const inputs = await loadTensors(join(dir, 'inputs.safetensors'));
  const expected = await loadTensors(join(dir, 'expected.safetensors'));
  const pinpoints = readPinpoints(params.grid_pinpoints, 'width-first');
  for (const [name, t] of inputs) {
    const image = imageOf(t);
    const i = name.replace('image_', '');
    for (const mode of MODES) {
      const settings = settingsOf(params, mode);
      assertSame(`u8_${mode}_${i}`, planes(await fit(image, settings, engine)), integers(expected, `u8_${mode}_${i}`));
      if (!expected.has(`pixels_${mode}_${i}`)) continue;
      assertSame(`pixels_${mode}_${i}`, await pixelsOf(image, settings, engine), floats(expected, `pixels_${mode}_${i}`));
    }
    const target = selectBestResolution(image, pinpoints);
    assertSame(`anyres_canvas_${i}`, planes(await canvas(image, target, engine)), integers(expected, `anyres_canvas_${i}`));
    assertSame(
      `anyres_base_${i}`,
      planes(await baseTile(image, settingsOf(params, 'square'), engine)),
      integers(expected, `anyres_base_${i}`),
    );
  }
}

async function real(engine: Engine, dir: string): Promise<void> {
  const golden = readCase(dir);
  const inputs = await loadTensors(join(dir, 'inputs.safetensors'));
  const expected = await loadTensors(join(dir, 'expected.safetensors'));
  const pinpoints = readPinpoints(golden.params.grid_pinpoints, 'width-first');
  const pictures = join(dir, '..', '..', '..', 'images');
  const check = (name: string, got: ArrayLike<number>) =>
    assertClose(
      name,
      Float32Array.from(got),
      Float32Array.from(tensor(expected, name).data as ArrayLike<number>),
      toleranceOf(golden, name),
    );

  for (const file of golden.params.images as readonly string[]) {
    const name = file.replace(/\..*/, '');
    const image = await decodeImage(readFileSync(join(pictures, file)), { name: file });
    const sampled = inputs.get(`${name}_rgb_every9`);
    if (sampled) assertSame(`${name}_rgb_every9`, every(image, 9), sampled.data as ArrayLike<unknown>);
    for (const mode of MODES) {
      const settings = settingsOf(golden.params, mode);
      const bytes = await fit(image, settings, engine);
      const { width, height } = bytes;
      const data = await pixelsOf(image, settings, engine);
      check(`${name}_${mode}_u8_every7`, sample(planes(bytes), height, width, 7));
      check(`${name}_${mode}_rows`, rowsOf(planes(bytes), height, width, [0, 1, 167, 334, 335]));
      check(`${name}_${mode}_every7`, sample(data, height, width, 7));
    }
    const tiles = await preprocessAnyres(image, settingsOf(golden.params, 'square'), pinpoints, engine);
    check(`${name}_anyres_every16`, sample(tiles.data, tiles.height, tiles.width, 16));
  }
}

interface CountRow {
  readonly wh: readonly [number, number];
  readonly best_wh: readonly number[];
  readonly grid_wh: readonly number[];
  readonly unpadded_feature_hw: readonly number[];
  readonly tokens_spatial_unpad: number;
}

function resolutions(dir: string): void {
  const { params } = readCase(dir);
  const pinpoints = readPinpoints(params.pinpoints, 'width-first');
  const patches = params.patches_per_side as number;
  for (const row of params.rows as readonly CountRow[]) {
    const size = { width: row.wh[0], height: row.wh[1] };
    const name = `${size.width} x ${size.height}`;
    const best = selectBestResolution(size, pinpoints);
    assertSame(`best resolution of ${name}`, [best.width, best.height], row.best_wh);
    // Pinpoints are whole tiles of 336 pixels.
    const grid = { width: best.width / 336, height: best.height / 336 };
    assertSame(`grid of ${name}`, [grid.width, grid.height], row.grid_wh);
    const { width, height } = unpadded(size, { width: grid.width * patches, height: grid.height * patches });
    assertSame(`unpadded features of ${name}`, [height, width], row.unpadded_feature_hw);
    assertSame(`tokens of ${name}`, [patches ** 2 + height * (width + 1)], [row.tokens_spatial_unpad]);
  }
}

const toleranceOf = (golden: GoldenCase, name: string) => golden.tolerance[name] ?? { atol: 0, rtol: 0 };

const settingsOf = ({ image_size, mean, std }: GoldenCase['params'], mode: AspectMode): ImageSettings =>
  preprocessing({ size: image_size, crop_size: image_size, image_mean: mean, image_std: std }, mode);

const imageOf = (t: LoadedTensor): RgbImage => ({ width: t.shape[1]!, height: t.shape[0]!, data: t.data as Uint8Array });

/** HWC to CHW. */
function planes({ width, height, data }: RgbImage): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let p = 0; p < width * height; p++) for (let c = 0; c < 3; c++) out[c * width * height + p] = data[3 * p + c]!;
  return out;
}

/** Every `step`-th row and column of each plane. */
function sample(planes: ArrayLike<number>, height: number, width: number, step: number): number[] {
  const out: number[] = [];
  for (let at = 0; at < planes.length; at += height * width) {
    for (let y = 0; y < height; y += step) for (let x = 0; x < width; x += step) out.push(planes[at + y * width + x]!);
  }
  return out;
}

function rowsOf(planes: ArrayLike<number>, height: number, width: number, rows: readonly number[]): number[] {
  const out: number[] = [];
  for (let at = 0; at < planes.length; at += height * width) {
    for (const y of rows) for (let x = 0; x < width; x++) out.push(planes[at + y * width + x]!);
  }
  return out;
}

/** Every `step`-th pixel of every `step`-th row, HWC. */
function every({ width, height, data }: RgbImage, step: number): number[] {
  const out: number[] = [];
  for (let y = 0; y < height; y += step)
    for (let x = 0; x < width; x += step) out.push(...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3));
  return out;
}
