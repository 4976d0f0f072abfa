import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { normalizePixels } from '../src/graph/ops/normalizePixels.ts';
import { normalizeTable, preprocessing } from '../src/image/preprocess.ts';
import { engines, given, runOp } from './harness.ts';
import { harshBytes } from './image/resample.ts';

const settings = preprocessing({ size: 56, crop_size: 56 });

for (const { name, engine } of await engines()) {
  for (const [height, width] of [
    [1, 1],
    [2, 3],
    [56, 56],
    [5, 336],
  ] as const) {
    test(`normalizePixels ${name} [${height}, ${width}]`, () => {
      const bytes = harshBytes(3 * height * width, 1);
      const got = runOp(engine, normalizePixels, {}, [given(bytes, height, width, 3), given(normalizeTable(settings), 3, 256)]);
      const { mean, std } = settings.normalize!;
      for (let p = 0; p < height * width; p++) {
        for (let c = 0; c < 3; c++) {
          const x = Math.fround(bytes[3 * p + c]! * 0.00392156862745098);
          const want = Math.fround(Math.fround(x - Math.fround(mean[c]!)) / Math.fround(std[c]!));
          assert.equal(got[c * height * width + p], want, `pixel ${p} channel ${c}`);
        }
      }
    });
  }
}

test('normalizePixels names what does not fit', () => {
  const table = fixedTensor('table', 'f32', [3, 256]);
  assert.throws(
    () => normalizePixels.outputs([fixedTensor('image', 'u8', [2, 9]), table], {}),
    /must be u8 \[height, width, 3\]: got image u8\[2, 9\]/,
  );
  assert.throws(
    () => normalizePixels.outputs([fixedTensor('image', 'u8', [2, 3, 3]), fixedTensor('table', 'f32', [256])], {}),
    /got table f32\[256\]/,
  );
});
