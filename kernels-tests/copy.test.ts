import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns } from '../src/graph/graph.ts';
import { copy } from '../src/graph/ops/copy.ts';
import { oddSizes } from './families/elementwise.ts';
import { engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  test(`copy ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const x = random(rows * (cols + 9), 1);
      const ids = Int32Array.from(x, (v) => v * 2 ** 31);
      const r = runGraph(engine, [given(x, rows, cols + 9), given(ids, rows, cols + 9)], (g, t) =>
        t.map((u) => g.add(copy, [columns(u, 5, cols)], {})),
      );
      const inside = (_: number, i: number) => i % (cols + 9) >= 5 && i % (cols + 9) < 5 + cols;
      assert.deepEqual(r.read(0), x.filter(inside), `[${rows}, ${cols}]`);
      assert.deepEqual(r.readInts(1), ids.filter(inside), `[${rows}, ${cols}] i32`);
      r.done();
    }
  });
}
