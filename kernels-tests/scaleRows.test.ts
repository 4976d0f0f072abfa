import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { scaleRows } from '../src/graph/ops/scaleRows.ts';
import { oddSizes, sameBits } from './families/elementwise.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`scaleRows ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const x = random(rows * cols, 1);
      const f = random(rows, 2);
      const r = runGraph(engine, [given(x, rows, cols), given(f, rows, 1)], (g, [t, factor]) => [
        g.add(scaleRows, [t!, factor!], {}),
        g.add(scaleRows, [columns(t!, cols - 1, 1), factor!], {}),
      ]);
      const what = `[${rows}, ${cols}]`;
      const want = x.map((v, i) => v * f[Math.floor(i / cols)]!);
      close(r.read(0), Float64Array.from(want), 0, 0, what);
      close(
        r.read(1),
        Float64Array.from({ length: rows }, (_, i) => want[(i + 1) * cols - 1]!),
        0,
        0,
        `${what} last column`,
      );
      same(what, r.read(0));
      r.done();
    }
  });
}

test('scaleRows wants one factor a row', () => {
  const x = fixedTensor('x', 'f32', [2, 4]);
  assert.throws(() => scaleRows.outputs([x, x], {}), /one factor a row: got x f32\[2, 4\]/);
});
