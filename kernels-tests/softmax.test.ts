import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns } from '../src/graph/graph.ts';
import { softmax } from '../src/graph/ops/softmax.ts';
import { oddSizes, sameBits } from './families/elementwise.ts';
import { close, engines, given, random, runGraph, runOp } from './harness.ts';

/** The definition, in f64. */
function reference(x: Float32Array, cols: number, scale: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let r = 0; r < x.length; r += cols) {
    const row = Float64Array.from(x.subarray(r, r + cols));
    const max = Math.max(...row);
    const e = row.map((v) => Math.exp(scale * (v - max)));
    const sum = e.reduce((s, v) => s + v, 0);
    e.forEach((v, i) => {
      y[r + i] = v / sum;
    });
  }
  return y;
}

const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`softmax ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const x = random(rows * cols, 1).map((v) => v * 10);
      const r = runGraph(engine, [given(x, rows, cols)], (g, [t]) => [
        g.add(softmax, [t!], { scale: 0.5 }),
        g.add(softmax, [columns(t!, cols >> 1, cols - (cols >> 1))], { scale: 1 }),
      ]);
      const what = `[${rows}, ${cols}]`;
      close(r.read(0), reference(x, cols, 0.5), 1e-9, 3e-6, what);
      const half = x.filter((_, i) => i % cols >= cols >> 1);
      close(r.read(1), reference(half, cols - (cols >> 1), 1), 1e-9, 6e-6, `${what} window`);
      same(what, r.read(0));
      r.done();
    }
  });

  test(`softmax ${name} masked`, () => {
    const row = [-Infinity, 3, -Infinity, 3, -3e38, -1000];
    assert.deepEqual([...runOp(engine, softmax, { scale: 1 }, [given(Float32Array.from(row), 1, 6)])], [0, 0.5, 0, 0.5, 0, 0]);
    assert.ok(runOp(engine, softmax, { scale: 1 }, [given(Float32Array.from([1, NaN, 2]), 1, 3)]).every(Number.isNaN));
  });
}
