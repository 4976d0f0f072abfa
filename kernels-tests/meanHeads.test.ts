import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { meanHeads } from '../src/graph/ops/meanHeads.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [rows, heads, dim] of [
    [1, 1, 1],
    [5, 3, 7],
    [65, 4, 6],
    [9, 16, 64],
  ] as const) {
    test(`meanHeads ${name} [${rows}, ${heads} x ${dim}]`, () => {
      const width = heads * dim + 3;
      const x = random(rows * width, rows);
      const want = Float64Array.from({ length: rows * dim }, (_, i) => {
        let s = 0;
        for (let h = 0; h < heads; h++) s += x[Math.floor(i / dim) * width + 2 + h * dim + (i % dim)]!;
        return s / heads;
      });
      const r = runGraph(engine, [given(x, rows, width)], (g, [t]) => [g.add(meanHeads, [columns(t!, 2, heads * dim)], { heads })]);
      close(r.read(), want, 1e-6, 0);
      r.done();
    });
  }
}

test('meanHeads names what does not fit', () => {
  assert.throws(() => meanHeads.outputs([fixedTensor('x', 'f32', [2, 10])], { heads: 4 }), /multiple of 4 heads: got x f32\[2, 10\]/);
});
