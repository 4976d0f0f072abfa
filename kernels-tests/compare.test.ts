import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../bench/compare.ts';
import type { Result } from '../bench/harness.ts';

const result = (ms: number, bestMs: number): Result => ({
  op: 'x',
  case: 'c',
  build: 'simd',
  ms,
  bestMs,
  gmacs: 1,
  gbs: 1,
  bound: 'f32',
  spread: 0.01,
  share: 1,
  cpu: 1,
});

test('a change beyond the spread is flagged, noise is not', () => {
  assert.match(compare([result(1, 0.99)], [result(1.5, 1.48)])[0]!, /50\.0%.*SLOWER/);
  assert.match(compare([result(1, 0.99)], [result(0.5, 0.49)])[0]!, /faster/);
  assert.match(compare([result(1, 0.99)], [result(1.05, 1.04)])[0]!, /same/);
  assert.match(compare([result(1, 0.99)], [result(1.5, 0.98)])[0]!, /same/);
  assert.deepEqual(compare([], [result(1, 1)]), []);
});
