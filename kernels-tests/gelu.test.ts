import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gelu } from '../src/graph/ops/gelu.ts';
import { erf, testUnary } from './families/elementwise.ts';
import { coldEngine, given, runOp } from './harness.ts';

await testUnary(gelu, {}, (x) => (x / 2) * (1 + erf(x / Math.SQRT2)), { atol: 2e-7, rtol: 4e-7 });

test('gelu: its erf is off by at most 1.5e-7', async () => {
  // gelu(x) / (x/2) = 1 + erf(x / sqrt2) for negative x, where no rounding of a larger sum hides the error.
  const n = 1 << 17;
  const x = Float32Array.from({ length: n }, (_, i) => (-8 * (i + 1)) / n);
  const y = runOp(await coldEngine('simd'), gelu, {}, [given(x, 1, n)]);
  let worst = 0;
  x.forEach((v, i) => {
    worst = Math.max(worst, Math.abs((2 * y[i]!) / v - 1 - erf(v / Math.SQRT2)));
  });
  assert.ok(worst <= 1.5e-7, `largest error ${worst}`);
});
