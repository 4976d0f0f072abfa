import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { tomeMerge } from '../src/graph/ops/tomeMerge.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [n, cols, r, ordered] of [
    [2, 1, 1, false],
    [33, 24, 8, true],
    [40, 20, 20, false],
    [41, 7, 5, false],
    [9, 3, 0, true],
  ] as const) {
    test(`tomeMerge ${name} ${r} of [${n}, ${cols}]${ordered ? ', in order' : ''}`, () => {
      const x = random(n * cols, n);
      const sizes = random(n, n + 1).map((v) => 1 + Math.floor(4 * Math.abs(v)));
      const best = random(n, n + 2).map((v) => Math.round(v * 20) / 20);
      const into = Int32Array.from({ length: n }, (_, i) => (i % 2 ? -1 : (i * 3) % (n >> 1)));
      if (ordered) best[0] = -Infinity;

      const even = Array.from({ length: (n + 1) >> 1 }, (_, i) => i);
      const order = [...even].sort((a, b) => best[2 * b]! - best[2 * a]! || a - b);
      const flows = order.slice(0, r);
      const stays = ordered ? even.filter((i) => !flows.includes(i)) : order.slice(r);
      const groups = [
        ...stays.map((i) => [2 * i]),
        ...Array.from({ length: n >> 1 }, (_, j) => [2 * j + 1, ...flows.filter((i) => into[2 * i] === j).map((i) => 2 * i)]),
      ];
      const total = groups.map((rows) => rows.reduce((s, row) => s + sizes[row]!, 0));
      const want = groups.flatMap((rows, i) =>
        Array.from({ length: cols }, (_, c) => rows.reduce((s, row) => s + sizes[row]! * x[row * cols + c]!, 0) / total[i]!),
      );
      const inputs = [given(x, n, cols), given(sizes, n, 1), given(best, n, 1), given(into, n, 1)];
      const out = runGraph(engine, inputs, (g, t) => g.addAll(tomeMerge, t, { r, ordered, factor: 8 }));
      close(out.read(0), want, 1e-6, 1e-6, 'rows');
      assert.deepEqual([...out.read(1)], total);
      close(
        out.read(2),
        total.map((s) => 8 * Math.log(s)),
        1e-6,
        1e-6,
        'bias',
      );
      assert.deepEqual([...out.readInts(3)], [...stays, ...flows, ...flows.map((i) => into[2 * i]!)]);
      out.done();
    });
  }
}

test('tomeMerge names what does not fit', () => {
  const [x, one] = [fixedTensor('x', 'f32', [9, 4]), fixedTensor('s', 'f32', [9, 1])];
  const params = { r: 5, ordered: false };
  assert.throws(() => tomeMerge.outputs([x, one, one, one], params), /at most half of the rows vanish: got 5 of 9/);
  assert.throws(() => tomeMerge.outputs([x, fixedTensor('s', 'f32', [8, 1]), one, one], params), /one value for each row/);
});
