import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor } from '../src/graph/graph.ts';
import { rmsNorm } from '../src/graph/ops/rmsNorm.ts';
import { close, engines, given, random, runOp } from './harness.ts';

/** The definition, in f64. */
function reference(x: Float32Array, w: Float32Array, cols: number, eps: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let r = 0; r < x.length; r += cols) {
    let ss = 0;
    for (let i = 0; i < cols; i++) ss += x[r + i]! ** 2;
    for (let i = 0; i < cols; i++) y[r + i] = (x[r + i]! * w[i]!) / Math.sqrt(ss / cols + eps);
  }
  return y;
}

for (const { name, engine } of await engines()) {
  for (const [rows, cols] of [
    [1, 1],
    [1, 16],
    [1, 4096],
    [3, 64],
    [17, 1027],
    [5, 30],
  ] as const) {
    test(`rmsNorm ${name} [${rows}, ${cols}]`, () => {
      const x = random(rows * cols, 1);
      const w = random(cols, 2);
      close(runOp(engine, rmsNorm, { eps: 1e-5 }, [given(x, rows, cols), given(w, cols)]), reference(x, w, cols, 1e-5), 1e-6, 1e-6);
    });
  }
}

test('rmsNorm names both tensors when shapes do not fit', () => {
  const x = fixedTensor('x', 'f32', [2, 64]);
  const w = fixedTensor('norm.weight', 'f32', [32]);
  assert.throws(() => rmsNorm.outputs([x, w], { eps: 1e-5 }), /one value per column: got norm\.weight f32\[32\] for x f32\[2, 64\]/);
});
