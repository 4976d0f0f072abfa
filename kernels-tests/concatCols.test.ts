import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns } from '../src/graph/graph.ts';
import { concatCols } from '../src/graph/ops/concatCols.ts';
import { oddSizes } from './families/elementwise.ts';
import { engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  test(`concatCols ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const a = random(rows * cols, 1);
      const b = random(rows * 7, 2);
      const r = runGraph(engine, [given(a, rows, cols), given(b, rows, 7)], (g, [x, y]) => [
        g.add(concatCols, [x!, columns(y!, 2, 5)], {}),
      ]);
      const want = Array.from({ length: rows }, (_, k) => [
        ...a.subarray(k * cols, (k + 1) * cols),
        ...b.subarray(k * 7 + 2, k * 7 + 7),
      ]).flat();
      assert.deepEqual([...r.read()], want, `[${rows}, ${cols} + 5]`);
      r.done();
    }
  });
}
