import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { mixHeads } from '../src/graph/ops/mixHeads.ts';
import { sameBits } from './families/elementwise.ts';
import { headSizes } from './families/heads.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`mixHeads ${name}`, () => {
    for (const [rows, heads, dim, keys, step] of headSizes) {
      const cols = heads * dim;
      const wide = cols + 4;
      const all = (rows - 1) * step + keys;
      const w = random(rows * heads * keys, 1);
      const v = random(all * wide, 2);
      const r = runGraph(engine, [given(w, rows, heads * keys), given(v, all, wide)], (g, [a, b]) => [
        g.add(mixHeads, [a!, columns(b!, 4, cols)], { heads, keys, step }),
      ]);
      const want = Float64Array.from({ length: rows * cols }, (_, i) => {
        const row = Math.floor(i / cols);
        const head = Math.floor((i % cols) / dim);
        let s = 0;
        for (let j = 0; j < keys; j++) s += w[(row * heads + head) * keys + j]! * v[(row * step + j) * wide + 4 + (i % cols)]!;
        return s;
      });
      const what = `${rows} rows, ${heads} heads of ${dim}, ${keys} values, step ${step}`;
      close(r.read(), want, 4e-6, 1e-5, what);
      same(what, r.read());
      r.done();
    }
  });
}

test('mixHeads names weights that do not fit', () => {
  const w = fixedTensor('weights', 'f32', [3, 20]);
  const v = fixedTensor('v', 'f32', [10, 24]);
  assert.throws(() => mixHeads.outputs([w, v], { heads: 2, keys: 9, step: 0 }), /needs 2 heads of 9 weights: got weights f32\[3, 20\]/);
});
