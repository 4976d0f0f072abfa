import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { headScores } from '../src/graph/ops/headScores.ts';
import { sameBits } from './families/elementwise.ts';
import { headSizes } from './families/heads.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`headScores ${name}`, () => {
    for (const [rows, heads, dim, keys, step] of headSizes) {
      const cols = heads * dim;
      const wide = cols + 4;
      const all = (rows - 1) * step + keys;
      const q = random(rows * wide, 1);
      const k = random(all * wide, 2);
      const r = runGraph(engine, [given(q, rows, wide), given(k, all, wide)], (g, [a, b]) => [
        g.add(headScores, [columns(a!, 4, cols), columns(b!, 0, cols)], { heads, keys, step }),
      ]);
      const want = Float64Array.from({ length: rows * heads * keys }, (_, i) => {
        const row = Math.floor(i / (heads * keys));
        const head = Math.floor(i / keys) % heads;
        let s = 0;
        for (let c = head * dim; c < (head + 1) * dim; c++) s += q[row * wide + 4 + c]! * k[(row * step + (i % keys)) * wide + c]!;
        return s;
      });
      const what = `${rows} rows, ${heads} heads of ${dim}, ${keys} keys, step ${step}`;
      close(r.read(), want, 4e-6, 1e-5, what);
      same(what, r.read());
      r.done();
    }
  });
}

test('headScores refuses heads that are no whole vectors, and keys that are not there', () => {
  const q = fixedTensor('q', 'f32', [3, 24]);
  const k = fixedTensor('k', 'f32', [10, 24]);
  assert.throws(() => headScores.outputs([q, k], { heads: 4, keys: 2, step: 0 }), /multiple of 4 elements: got k f32\[10, 24\] in 4 heads/);
  assert.throws(
    () => headScores.outputs([q, k], { heads: 2, keys: 4, step: 4 }),
    /rows outside: got 4 rows, 4 on for each of 3, in k f32\[10, 24\]/,
  );
});
