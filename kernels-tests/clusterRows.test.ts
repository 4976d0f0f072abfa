import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { clusterRows } from '../src/graph/ops/clusterRows.ts';
import { close, engines, given, random, runOp } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [n, cols, first, step, count] of [
    [1, 1, 0, 1, 1],
    [53, 24, 0, 10, 5],
    [20, 7, 3, 4, 4],
    [9, 5, 0, 1, 9],
  ] as const) {
    test(`clusterRows ${name} [${n}, ${cols}] into ${count}`, () => {
      const x = random(n * cols, n);
      const targets = Array.from({ length: count }, (_, j) => first + j * step);
      // The last cluster stays empty where there are several.
      const cluster = Int32Array.from({ length: n }, (_, r) => (targets.includes(r) ? -1 : (r * 5) % Math.max(count - 1, 1)));
      const want = targets.flatMap((t, j) => {
        const members = [...cluster.keys()].filter((r) => cluster[r] === j);
        return Array.from({ length: cols }, (_, c) => {
          const sum = members.reduce((s, r) => s + x[r * cols + c]!, 0);
          return x[t * cols + c]! + sum / Math.max(1, members.length);
        });
      });
      close(runOp(engine, clusterRows, { first, step, count }, [given(x, n, cols), given(cluster, n, 1)]), want, 1e-6, 1e-6);
    });
  }
}

test('clusterRows names what does not fit', () => {
  const x = fixedTensor('x', 'f32', [9, 4]);
  const params = { first: 0, step: 2, count: 3 };
  assert.throws(
    () => clusterRows.outputs([x, fixedTensor('c', 'f32', [9, 1])], params),
    /one cluster for each row, i32: got c f32\[9, 1\]/,
  );
  assert.throws(() => clusterRows.outputs([x, fixedTensor('c', 'i32', [9, 1])], { ...params, step: 5 }), /targets outside/);
});
