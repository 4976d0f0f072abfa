import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bicubicSamples, samplesOf } from '../../src/image/sampling.ts';
import { windowBins, windowBoxes, windowSamples } from '../../src/models/uhdWindows.ts';

const sums = ({ rows, taps, weights }: ReturnType<typeof samplesOf>) =>
  Array.from({ length: rows }, (_, r) => weights.subarray(r * taps, (r + 1) * taps).reduce((s, w) => s + w, 0));

test('a map of its own size stays as it is, and rows before it too', () => {
  const grid = { width: 5, height: 3 };
  const { rows, taps, index, weights } = bicubicSamples(grid, grid, 1);
  assert.equal(rows, 16);
  for (let r = 0; r < rows; r++) {
    for (let t = 0; t < taps; t++) {
      const w = weights[r * taps + t]!;
      assert.ok(w === 0 || (w === 1 && index[r * taps + t] === r), `row ${r}, tap ${t}`);
    }
  }
});

test('weights of a resized map sum to 1', () => {
  const samples = bicubicSamples({ width: 24, height: 24 }, { width: 7, height: 70 });
  assert.equal(samples.rows, 490);
  for (const s of sums(samples)) assert.ok(Math.abs(s - 1) < 1e-6);
});

test('lists of different lengths are filled up with nothing', () => {
  const { taps, index, weights } = samplesOf([
    [[3, 0.5]],
    [],
    [
      [1, 1],
      [2, 2],
    ],
  ]);
  assert.equal(taps, 2);
  assert.deepEqual([...index], [3, -1, -1, -1, 1, 2]);
  assert.deepEqual([...weights], [0.5, 0, 0, 0, 1, 2]);
});

test('windows share a grid out; where it is smaller than the windows some samples lie outside', () => {
  for (const [width, height] of [
    [24, 24],
    [32, 17],
    [8, 70],
    [1, 2000],
  ] as const) {
    const grid = { width, height };
    const bins = windowBins(grid);
    const samples = windowSamples(grid, 12);
    assert.equal(samples.rows, 144 * bins.width * bins.height);
    assert.ok(samples.index.every((i) => i >= -1 && i < width * height));
    for (const s of sums(samples)) assert.ok(s > -1e-6 && s < 1 + 1e-5, `${width} x ${height}: ${s}`);
    if (width >= 12 && height >= 12) assert.ok(sums(samples).every((s) => Math.abs(s - 1) < 1e-5));
    const boxes = windowBoxes(grid, 12);
    assert.ok(Math.abs(boxes.at(-1)! - height) < 1e-3 && Math.abs(boxes.at(-2)! - width) < 1e-3);
  }
});
