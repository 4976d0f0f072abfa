import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { type PatchParams, patchRows } from '../src/graph/ops/patchRows.ts';
import { engines, given, random, runOp } from './harness.ts';

/** The definition: element [py, px, c, ky, kx] is pixel [c, py * patch + ky, px * patch + kx]. */
function reference(x: Float32Array, { channels, height, width, patch }: PatchParams): number[] {
  const y: number[] = [];
  for (let py = 0; py < height; py += patch) {
    for (let px = 0; px < width; px += patch) {
      for (let c = 0; c < channels; c++) {
        for (let ky = py; ky < py + patch; ky++) {
          for (let kx = px; kx < px + patch; kx++) y.push(x[(c * height + ky) * width + kx]!);
        }
      }
    }
  }
  return y;
}

for (const { name, engine } of await engines()) {
  for (const [channels, height, width, patch] of [
    [3, 28, 42, 14],
    [1, 5, 3, 1],
    [2, 9, 27, 9],
    [3, 32, 16, 16],
    [1, 7, 7, 7],
  ] as const) {
    test(`patchRows ${name} ${channels} x ${height} x ${width} by ${patch}`, () => {
      const params = { channels, height, width, patch };
      const x = random(channels * height * width, 1);
      assert.deepEqual([...runOp(engine, patchRows, params, [given(x, channels * height, width)])], reference(x, params));
    });
  }
}

test('patchRows wants whole patches', () => {
  const x = fixedTensor('pixels', 'f32', [30, 10]);
  assert.throws(
    () => patchRows.outputs([x], { channels: 3, height: 10, width: 10, patch: 3 }),
    /multiples of the patch: got 10 x 10 for 3/,
  );
});
