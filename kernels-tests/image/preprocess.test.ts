import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../src/errors.ts';
import { baseTile, canvas, preprocessAnyres, readPinpoints, selectBestResolution, unpadded } from '../../src/image/anyres.ts';
import { crop } from '../../src/image/image.ts';
import { type AspectMode, fit, normalize, pixelsOf, preprocessing, resizedSize } from '../../src/image/preprocess.ts';
import { coldEngine } from '../harness.ts';
import { fixtureJson, pattern, sha256 } from './pattern.ts';

type Sums = { readonly u8: string; readonly pixels: string };
const cases =
  fixtureJson<readonly ({ readonly size: readonly [number, number] } & Readonly<Record<AspectMode, Sums>>)[]>('preprocess.json');
const engine = await coldEngine('simd');
const input = (pattern: RegExp) => (e: unknown) => e instanceof InputError && pattern.test(e.message);

for (const { size, ...modes } of cases) {
  for (const mode of ['square', 'pad'] as const) {
    test(`preprocess ${size.join('x')} ${mode}: the reference's bytes and bits`, async () => {
      const settings = preprocessing({ size: 56, crop_size: 56 }, mode);
      assert.equal(sha256((await fit(pattern(...size), settings, engine)).data), modes[mode].u8);
      assert.equal(sha256(await pixelsOf(pattern(...size), settings, engine)), modes[mode].pixels);
    });
  }
}

test('settings: both forms of sizes, and the defaults of old files', () => {
  const old = preprocessing({ size: 336, crop_size: 336 });
  assert.deepEqual(
    preprocessing({
      size: { shortest_edge: 336 },
      crop_size: { height: 336, width: 336 },
      resample: 3,
      rescale_factor: 0.00392156862745098,
    }),
    old,
  );
  assert.deepEqual(old.normalize?.mean, [0.48145466, 0.4578275, 0.40821073]);
  assert.deepEqual(
    [old.mode, old.size, old.crop, old.filter, old.rescale],
    ['square', 336, { width: 336, height: 336 }, 'bicubic', 1 / 255],
  );
  const off = preprocessing({ do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false });
  assert.deepEqual([off.size, off.crop, off.rescale, off.normalize], [null, null, null, null]);
  assert.deepEqual(preprocessing({ size: { height: 20, width: 30 } }).size, { height: 20, width: 30 });
});

test('settings that make no sense name their key', () => {
  for (const [key, value] of [
    ['size', 'big'],
    ['size', {}],
    ['size', 0],
    ['crop_size', -1],
    ['image_mean', [1, 2]],
    ['image_std', [1, 0, 1]],
    ['resample', 9],
    ['rescale_factor', 'x'],
  ] as const) {
    assert.throws(() => preprocessing({ [key]: value }, 'square', 'p.json'), input(new RegExp(`^p\\.json: ${key}: got `)));
  }
  assert.throws(() => preprocessing(null), input(/not settings/));
});

test('the longer edge is cut, not rounded', () => {
  assert.deepEqual(resizedSize({ width: 97, height: 61 }, 56), { width: 89, height: 56 });
  assert.deepEqual(resizedSize({ width: 30, height: 151 }, 56), { width: 56, height: 281 });
});

test('a picture smaller than the cut gets black around it', async () => {
  const settings = preprocessing({ do_resize: false, crop_size: { width: 8, height: 6 } });
  const image = pattern(5, 3);
  const got = await fit(image, settings, engine);
  assert.deepEqual(got, crop(image, { left: -2, top: -2, width: 8, height: 6 }));
});

test('tiles of two sizes do not fit one tensor', async () => {
  await assert.rejects(normalize([pattern(4, 4), pattern(4, 5)], preprocessing({}), engine), input(/tiles differ: got 4 x 5 after 4 x 4/));
});

const PINPOINTS = readPinpoints(
  [
    [336, 672],
    [672, 336],
    [672, 672],
    [1008, 336],
    [336, 1008],
  ],
  'width-first',
);

test('pinpoints: lists, Python literals, both orders', () => {
  const [first] = readPinpoints('[(336, 672), (672, 336),]', 'width-first');
  assert.deepEqual(first, { width: 336, height: 672 });
  assert.deepEqual(readPinpoints([[336, 672]], 'height-first'), [{ width: 672, height: 336 }]);
  for (const bad of ['', '[(1,)]', [], [[1]], [[0, 1]], null, '__import__("os")'])
    assert.throws(() => readPinpoints(bad, 'width-first'), input(/image_grid_pinpoints: not a list/));
});

test('the best resolution', () => {
  const best = (width: number, height: number) => Object.values(selectBestResolution({ width, height }, PINPOINTS));
  assert.deepEqual(best(336, 336), [336, 672]);
  assert.deepEqual(best(640, 480), [672, 672]);
  assert.deepEqual(best(1000, 1), [1008, 336]);
  assert.deepEqual(best(333, 777), [336, 1008]);
});

test('the features that show the picture, down to none', () => {
  const size = (width: number, height: number, grid: readonly [number, number]) => {
    const w = unpadded({ width, height }, { width: grid[0], height: grid[1] });
    return [w.width, w.height];
  };
  assert.deepEqual(size(640, 480, [48, 48]), [48, 36]);
  assert.deepEqual(size(1920, 1080, [48, 48]), [48, 28]);
  assert.deepEqual(size(1, 1000, [24, 72]), [0, 72]);
  assert.deepEqual(size(1000, 1, [72, 24]), [72, 0]);
});

test('any-resolution tiles: the whole picture first, then the grid by rows', async () => {
  const settings = preprocessing({ size: 8, crop_size: 8 });
  const image = pattern(33, 17);
  const pinpoints = [
    { width: 16, height: 16 },
    { width: 24, height: 8 },
    { width: 24, height: 16 },
  ];
  const target = selectBestResolution(image, pinpoints);
  const got = await preprocessAnyres(image, settings, pinpoints, engine);
  assert.deepEqual([target.width, target.height, got.grid.width, got.grid.height, got.tiles], [24, 16, 3, 2, 7]);
  const all = await canvas(image, target, engine);
  const tiles = [await baseTile(image, settings, engine)];
  for (const top of [0, 8]) for (const left of [0, 8, 16]) tiles.push(crop(all, { left, top, width: 8, height: 8 }));
  assert.deepEqual(got.data, (await normalize(tiles, settings, engine)).data);
});
