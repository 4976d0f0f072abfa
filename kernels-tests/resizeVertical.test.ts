import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { resizeVertical } from '../src/graph/ops/resizeVertical.ts';
import { coefficients, type Filter, resizeTable } from '../src/image/filters.ts';
import { engines, given, runGraph } from './harness.ts';
import { harshBytes, resample } from './image/resample.ts';

for (const { name, engine } of await engines()) {
  for (const [from, to, cols] of [
    [1, 1, 16],
    [1, 5, 16],
    [2, 7, 48],
    [30, 9, 32],
    [640, 336, 16],
    [33, 32, 1024],
  ] as const) {
    test(`resizeVertical ${name} [${from}, ${cols}] to ${to}`, () => {
      for (const filter of ['box', 'bilinear', 'bicubic', 'lanczos'] as const satisfies readonly Filter[]) {
        const bytes = harshBytes(from * cols, 1);
        const table = resizeTable(from, to, filter);
        const run = runGraph(engine, [given(bytes, from, cols), given(table.words, to, table.cols)], (g, t) => [
          g.add(resizeVertical, t, {}),
        ]);
        const at = engine.locate(run.program, run.program.plan.readable.get('out0')!);
        const got = engine.bytes.slice(at, at + to * cols);
        run.done();
        const c = coefficients(from, to, filter);
        for (let y = 0; y < to; y++) {
          for (let b = 0; b < cols; b++) assert.equal(got[y * cols + b], resample(bytes, b, cols, c, y), `${filter} row ${y} byte ${b}`);
        }
      }
    });
  }
}

test('resizeVertical names what does not fit', () => {
  const table = fixedTensor('table', 'i32', [9, 10]);
  assert.throws(
    () => resizeVertical.outputs([fixedTensor('image', 'u8', [2, 90]), table], {}),
    /must be u8 \[height, multiple of 16\]: got image u8\[2, 90\]/,
  );
  assert.throws(
    () => resizeVertical.outputs([fixedTensor('image', 'u8', [2, 96]), fixedTensor('table', 'f32', [9, 10])], {}),
    /got table f32\[9, 10\]/,
  );
});
