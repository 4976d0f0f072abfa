import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor, newCell } from '../src/graph/graph.ts';
import { mergeNeighbours } from '../src/graph/ops/mergeNeighbours.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [n, cols, width, neighbours, chosen] of [
    [2, 1, 1, 1, [1]],
    [40, 7, 13, 32, [3, 39, 0]],
    [100, 20, 16, 5, [7, 99, 50, 8, 2, 11, 12]],
    [9, 5, 3, 0, []],
  ] as const) {
    test(`mergeNeighbours ${name} ${chosen.length} of [${n}, ${cols}] with ${neighbours}`, () => {
      const [x, keys, a] = [random(n * cols, 1), random(n * width, 2), random(n, 3)] as const;
      const key = (j: number) => keys.subarray(j * width, (j + 1) * width);
      const dot = (p: Float32Array, q: Float32Array) => p.reduce((s, v, i) => s + v * q[i]!, 0);
      const cosine = (i: number, j: number) => dot(key(i), key(j)) / Math.sqrt(dot(key(i), key(i)) * dot(key(j), key(j)));
      const weighted = (rows: readonly number[], c: number) => rows.reduce((s, j) => s + a[j]! * x[j * cols + c]!, 0);
      const all = Array.from({ length: n }, (_, j) => j);
      const want = chosen.flatMap((i) => {
        const near = all
          .filter((j) => j !== i)
          .sort((p, q) => cosine(i, q) - cosine(i, p))
          .slice(0, neighbours);
        return Array.from({ length: cols }, (_, c) => x[i * cols + c]! + weighted(near, c));
      });
      const rest = all.filter((j) => !(chosen as readonly number[]).includes(j));
      for (let c = 0; c < cols; c++) want.push(weighted(rest, c));

      const [count, merged] = [newCell('count', 10), newCell('merged', 11)];
      engine.setCell(count, chosen.length);
      engine.setCell(merged, chosen.length + 1);
      const inputs = [
        given(x, n, cols),
        given(keys, n, width),
        given(a, n, 1),
        given(Int32Array.from([...chosen, 0]), chosen.length + 1, 1),
      ];
      const r = runGraph(engine, inputs, (g, [tx, tk, ta, ti]) => [
        g.add(mergeNeighbours, [tx!, tk!, ta!, { ...ti!, shape: [count, 1] }], { neighbours, merged }),
      ]);
      close(r.read(), want, 2e-6, 1e-6);
      r.done();
    });
  }
}

test('mergeNeighbours names what does not fit', () => {
  const [x, keys, a, index] = [
    fixedTensor('x', 'f32', [9, 4]),
    fixedTensor('k', 'f32', [9, 2]),
    fixedTensor('a', 'f32', [9, 1]),
    fixedTensor('i', 'i32', [3, 1]),
  ];
  const merged = newCell('merged', 10);
  assert.throws(() => mergeNeighbours.outputs([x, keys, a, index], { neighbours: 9, merged }), /fewer than rows: got 9/);
  assert.throws(() => mergeNeighbours.outputs([x, keys, a, a], { neighbours: 2, merged }), /chosen rows must be i32/);
});
