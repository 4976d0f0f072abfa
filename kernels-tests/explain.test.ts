// `pumice run --explain`: a PNG of how a picture was cut and where its tokens look.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { drawExplanation } from '../src/cli/explain.ts';
import { decodeImage } from '../src/image/decode.ts';
import { fixture } from './fixtures.ts';
import { pattern } from './image/pattern.ts';
import { withMqt, withUhd } from './models/tinyModels.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const pumice = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, 'run', '-n', '1', ...args]);
const PICTURE = ['--image', fixture('image/rgb.png')];
const TINY = ['--model', fixture('models/gguf/llava15-tiny/model.gguf'), '--mmproj', fixture('models/gguf/llava15-tiny/mmproj.gguf')];

test('the drawing has the picture above and a small one for each token below', async () => {
  const attention = new Float32Array(3 * 4);
  attention.set([1, 0, 0, 0, 0, 1, 0, 0, 0.25, 0.25, 0.25, 0.25]);
  const image = pattern(40, 20);
  const window = { left: 0, top: 0, width: 40, height: 20 };
  const png = await drawExplanation(image, [{ name: 'picture', window, grid: { width: 2, height: 2 }, attention }]);
  const { width, height, data } = await decodeImage(png);
  assert.equal(width, 896);
  assert.equal(height, 448 + 54 + 4);
  const bright = (x: number, y: number) => data[3 * (y * width + x)]! + data[3 * (y * width + x) + 1]!;
  const mean = (x0: number, x1: number, y0: number, y1: number) => {
    let sum = 0;
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += bright(x, y);
    return sum / (x1 - x0) / (y1 - y0);
  };
  // The upper half is looked at by a token of its own, the lower only in passing.
  assert.ok(mean(0, 896, 0, 224) > 1.2 * mean(0, 896, 224, 448));
});

test('what is looked at shows on a picture of any colour', async () => {
  for (const color of [
    [220, 20, 20],
    [255, 170, 40],
    [30, 30, 200],
    [255, 255, 255],
    [0, 0, 0],
  ]) {
    const image = { width: 16, height: 8, data: Uint8Array.from({ length: 3 * 128 }, (_, i) => color[i % 3]!) };
    const window = { left: 0, top: 0, width: 16, height: 8 };
    const attention = Float32Array.of(1, 0);
    const png = await drawExplanation(image, [{ name: 'picture', window, grid: { width: 2, height: 1 }, attention }]);
    const { data } = await decodeImage(png);
    const at = (x: number) => [...data.subarray(3 * x, 3 * x + 3)];
    const lit = at(100);
    const dim = at(800);
    assert.ok(lit[0]! - dim[0]! > 80 && lit[1]! - dim[1]! > 60, `${color}: ${lit} beside ${dim}`);
  }
});

test('dropped patches are dark', async () => {
  const image = { ...pattern(16, 16), data: new Uint8Array(3 * 256).fill(200) };
  const window = { left: 0, top: 0, width: 16, height: 16 };
  const { width, data } = await decodeImage(
    await drawExplanation(image, [{ name: 'picture', window, grid: { width: 2, height: 1 }, kept: Uint8Array.of(1, 0) }]),
  );
  assert.equal(data[3 * (5 * width + 100)], 200);
  assert.equal(data[3 * (5 * width + 800)], 40);
});

test('the command line writes it, for models with choices and without', async () => {
  const file = join(tmpdir(), `pumice-explain-${process.pid}.png`);
  try {
    await withMqt((dir) => pumice('--model', dir, ...PICTURE, '--visual-tokens', '3', '--explain', file));
    assert.ok((await decodeImage(await readFile(file))).height > 0);
    await withUhd((dir) => pumice('--model', dir, ...PICTURE, '--slices', '3', '--pre-resize', 'none', '--explain', file));
    assert.ok((await decodeImage(await readFile(file))).height > 0);
    await pumice(...TINY, ...PICTURE, '--explain', file);
    assert.ok((await decodeImage(await readFile(file))).height > 0);
  } finally {
    await rm(file, { force: true });
  }
});

test('choices that a model has not are refused with exit code 2', async () => {
  await assert.rejects(pumice(...TINY, ...PICTURE, '--visual-tokens', '3'), (e: { code?: number; stderr?: string }) => {
    assert.equal(e.code, 2);
    assert.match(e.stderr ?? '', /visualTokens: llava-1.5 has no such choice/);
    return true;
  });
  await withMqt((dir) =>
    assert.rejects(pumice('--model', dir, ...PICTURE, '--visual-tokens', '0'), (e: { code?: number; stderr?: string }) => {
      assert.equal(e.code, 2);
      assert.match(e.stderr ?? '', /visualTokens: got 0, expected an integer of 1 to 16/);
      return true;
    }),
  );
});
