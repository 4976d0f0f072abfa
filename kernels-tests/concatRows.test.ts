import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor, newCell } from '../src/graph/graph.ts';
import { concatRows } from '../src/graph/ops/concatRows.ts';
import { oddSizes } from './families/elementwise.ts';
import { engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  test(`concatRows ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const a = random(cols, 1);
      const b = random(rows * (cols + 3), 2);
      const r = runGraph(engine, [given(a, cols), given(b, rows, cols + 3)], (g, [x, y]) => {
        const window = columns(y!, 2, cols);
        return [g.add(concatRows, [x!, window], {}), g.add(concatRows, [window, x!], {})];
      });
      const inside = [...b.filter((_, i) => i % (cols + 3) >= 2 && i % (cols + 3) < cols + 2)];
      assert.deepEqual([...r.read(0)], [...a, ...inside], `[1 + ${rows}, ${cols}]`);
      assert.deepEqual([...r.read(1)], [...inside, ...a], `[${rows} + 1, ${cols}]`);
      r.done();
    }
  });
}

test('concatRows wants fixed rows', () => {
  const n = newCell('n', 8);
  assert.throws(
    () => concatRows.outputs([fixedTensor('x', 'f32', [n, 4]), fixedTensor('y', 'f32', [1, 4])], {}),
    /fixed number of rows: got x f32\[n≤8, 4\]/,
  );
});
