import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { nearestRow } from '../src/graph/ops/nearestRow.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [rows, cols, first, step, count, alone] of [
    [1, 1, 0, 1, 1, 0],
    [53, 6, 0, 10, 5, 0],
    [33, 16, 1, 2, 16, 1],
    [40, 13, 1, 2, 20, 0],
    [12, 3, 2, 1, 4, 3],
  ] as const) {
    test(`nearestRow ${name} [${rows}, ${cols}] to ${count} rows`, () => {
      const width = cols + 2;
      const x = random(rows * width, rows + cols);
      if (rows > 10) x.fill(0, 5 * width, 6 * width);
      const row = (r: number) => Array.from(x.subarray(r * width + 1, r * width + 1 + cols));
      const dot = (a: number[], b: number[]) => a.reduce((s, v, i) => s + v * b[i]!, 0);
      const cosine = (a: number[], b: number[]) => dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);
      const targets = Array.from({ length: count }, (_, j) => first + j * step);
      const best: number[] = [];
      const into: number[] = [];
      for (let r = 0; r < rows; r++) {
        const all = targets.map((t) => cosine(row(r), row(t)));
        const isTarget = targets.includes(r);
        best.push(isTarget || r < alone ? -Infinity : Math.max(...all));
        into.push(isTarget ? -1 : all.indexOf(Math.max(...all)));
      }
      const r = runGraph(engine, [given(x, rows, width)], (g, [t]) =>
        g.addAll(nearestRow, [columns(t!, 1, cols)], { first, step, count, alone }),
      );
      const finite = (a: ArrayLike<number>) => Array.from(a, (v) => (v === -Infinity ? -9 : v));
      close(finite(r.read(0)), finite(best), 1e-6, 0);
      assert.deepEqual([...r.readInts(1)], into);
      r.done();
    });
  }
}

test('nearestRow names what does not fit', () => {
  const x = fixedTensor('x', 'f32', [9, 4]);
  assert.throws(() => nearestRow.outputs([x], { first: 1, step: 2, count: 5 }), /targets outside: got 5 from 1 on, every 2/);
});
