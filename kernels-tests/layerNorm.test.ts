import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { layerNorm } from '../src/graph/ops/layerNorm.ts';
import { oddSizes, sameBits } from './families/elementwise.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

/** The definition, in f64. */
function reference(x: Float32Array, w: Float32Array, b: Float32Array, cols: number, eps: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let r = 0; r < x.length; r += cols) {
    const row = Float64Array.from(x.subarray(r, r + cols));
    const mean = row.reduce((s, v) => s + v, 0) / cols;
    const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / cols;
    row.forEach((v, i) => {
      y[r + i] = ((v - mean) / Math.sqrt(variance + eps)) * w[i]! + b[i]!;
    });
  }
  return y;
}

const same = sameBits();
for (const { name, engine } of await engines()) {
  test(`layerNorm ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      // A mean far from zero: one pass over x and x² would lose the variance.
      const x = random(rows * cols, 1).map((v) => v + 50);
      const w = random(cols, 2);
      const b = random(cols, 3);
      const r = runGraph(engine, [given(x, rows, cols), given(w, cols), given(b, cols)], (g, [t, weight, bias]) => [
        g.add(layerNorm, [t!, weight!, bias!], { eps: 1e-5 }),
        g.add(layerNorm, [columns(t!, 0, 1), columns(weight!, 0, 1), columns(bias!, 0, 1)], { eps: 1e-5 }),
      ]);
      const what = `[${rows}, ${cols}]`;
      close(r.read(0), reference(x, w, b, cols, 1e-5), 3e-5, 1e-5, what);
      close(r.read(1), new Float64Array(rows).fill(b[0]!), 1e-6, 0, `${what} window of one column`);
      same(what, r.read(0));
      r.done();
    }
  });
}

for (const { name, engine } of await engines()) {
  test(`layerNorm of groups without a bias ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      const groups = 3;
      const x = random(rows * groups * cols, 1);
      const w = random(groups * cols, 2);
      const r = runGraph(engine, [given(x, rows, groups * cols), given(w, groups * cols)], (g, [t, weight]) => [
        g.add(layerNorm, [t!, weight!], { eps: 1e-5, groups }),
      ]);
      const want = new Float64Array(x.length);
      for (let i = 0; i < x.length; i += cols) {
        const at = i % (groups * cols);
        want.set(reference(x.subarray(i, i + cols), w.subarray(at, at + cols), new Float32Array(cols), cols, 1e-5), i);
      }
      close(r.read(0), want, 3e-5, 1e-5, `[${rows}, ${groups} * ${cols}]`);
      r.done();
    }
  });
}

test('layerNorm names both tensors when shapes do not fit', () => {
  const x = fixedTensor('x', 'f32', [2, 64]);
  const w = fixedTensor('norm.weight', 'f32', [64]);
  const b = fixedTensor('norm.bias', 'f32', [32]);
  assert.throws(
    () => layerNorm.outputs([x, w, b], { eps: 1e-5 }),
    /bias must have one value per column: got norm\.bias f32\[32\] for x f32\[2, 64\]/,
  );
});
