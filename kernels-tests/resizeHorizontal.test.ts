import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { resizeHorizontal, rowBytes } from '../src/graph/ops/resizeHorizontal.ts';
import { coefficients, type Filter, resizeTable } from '../src/image/filters.ts';
import { engines, given, runGraph } from './harness.ts';
import { harshBytes, resample } from './image/resample.ts';

for (const { name, engine } of await engines()) {
  for (const [rows, from, to] of [
    [1, 1, 1],
    [1, 1, 5],
    [3, 2, 7],
    [5, 30, 9],
    [2, 640, 336],
    [7, 33, 32],
  ] as const) {
    test(`resizeHorizontal ${name} [${rows}, ${from}] to ${to}`, () => {
      for (const filter of ['box', 'bilinear', 'bicubic', 'lanczos'] as const satisfies readonly Filter[]) {
        const bytes = harshBytes(rows * rowBytes(from), 1);
        const table = resizeTable(from, to, filter);
        const run = runGraph(engine, [given(bytes, rows, rowBytes(from)), given(table.words, to, table.cols)], (g, t) => [
          g.add(resizeHorizontal, t, { from }),
        ]);
        const at = engine.locate(run.program, run.program.plan.readable.get('out0')!);
        const got = engine.bytes.slice(at, at + rows * rowBytes(to));
        run.done();
        const c = coefficients(from, to, filter);
        for (let y = 0; y < rows; y++) {
          for (let i = 0; i < 3 * to; i++) {
            const want = resample(bytes, y * rowBytes(from) + (i % 3), 3, c, Math.floor(i / 3));
            assert.equal(got[y * rowBytes(to) + i], want, `${filter} row ${y} byte ${i}`);
          }
        }
      }
    });
  }
}

test('resizeHorizontal names what does not fit', () => {
  const table = fixedTensor('table', 'i32', [9, 10]);
  assert.throws(
    () => resizeHorizontal.outputs([fixedTensor('image', 'u8', [2, 90]), table], { from: 30 }),
    /a row of 30 pixels needs 96 bytes: got image u8\[2, 90\]/,
  );
  assert.throws(
    () => resizeHorizontal.outputs([fixedTensor('image', 'u8', [2, 96]), fixedTensor('table', 'f32', [9, 10])], { from: 30 }),
    /got table f32\[9, 10\]/,
  );
});
