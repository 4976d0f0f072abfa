import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { sampleRows } from '../src/graph/ops/sampleRows.ts';
import { oddCols, sameBits } from './families/elementwise.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

const N = 9;
const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`sampleRows ${name}`, () => {
    for (const cols of oddCols) {
      for (const [rows, taps] of [
        [1, 1],
        [7, 4],
        [5, 16],
        [33, 3],
      ] as const) {
        const x = random(N * (cols + 2), 1);
        // Some indices lie outside on either side.
        const index = Int32Array.from({ length: rows * taps }, (_, i) => ((i * 5) % (N + 2)) - 1);
        const weights = random(rows * taps, 2);
        const r = runGraph(engine, [given(x, N, cols + 2), given(index, rows, taps), given(weights, rows, taps)], (g, [t, i, w]) => [
          g.add(sampleRows, [columns(t!, 1, cols), i!, w!], {}),
        ]);
        const want = Float64Array.from({ length: rows * cols }, (_, at) => {
          const row = Math.floor(at / cols);
          let s = 0;
          for (let t = row * taps; t < (row + 1) * taps; t++) {
            const from = index[t]!;
            if (from >= 0 && from < N) s += weights[t]! * x[from * (cols + 2) + 1 + (at % cols)]!;
          }
          return s;
        });
        const what = `[${rows}, ${cols}] of ${taps} taps`;
        close(r.read(), want, 2e-6, 2e-6, what);
        same(what, r.read());
        r.done();
      }
    }
  });
}

test('sampleRows names tensors that do not agree', () => {
  const t = (name: string, dtype: 'f32' | 'i32', ...shape: number[]) => fixedTensor(name, dtype, shape);
  assert.throws(
    () => sampleRows.outputs([t('x', 'f32', 4, 8), t('index', 'i32', 3, 4), t('weights', 'f32', 3, 5)], {}),
    /index and weights must agree: got index i32\[3, 4\] and weights f32\[3, 5\]/,
  );
  assert.throws(() => sampleRows.outputs([t('x', 'f32', 4, 8), t('index', 'f32', 3, 4), t('weights', 'f32', 3, 4)], {}), /must be i32/);
});
