import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, parseSaved, type Saved } from '../bench/compare.ts';
import type { Result } from '../bench/harness.ts';

const result = (ms: number, bestMs: number, spread: number, name = 'c'): Result => ({
  op: 'x',
  case: name,
  build: 'simd',
  ms,
  bestMs,
  spread,
  samples: 100,
  gmacs: 1,
  gbs: 1,
  bound: 'f32',
  share: 1,
  cpu: 1,
});
const run = (f32: number, ...results: Result[]): Saved =>
  parseSaved(JSON.stringify({ cpu: 'a', rooflines: { simd: { f32, i8: 1, memory: 1 } }, results }), 'made up');
const verdict = (before: Result, now: Result, peak = 1): string => /(\S+)$/.exec(compare(run(1, before), run(peak, now))[0]!)![1]!;

test('a change beyond the spread of the samples is flagged, noise is not', () => {
  assert.equal(verdict(result(1, 0.99, 0.01), result(1.5, 1.48, 0.01)), 'SLOWER');
  assert.equal(verdict(result(1, 0.99, 0.01), result(0.5, 0.49, 0.01)), 'faster');
  // 3 deviations of a median distance of 1 % in both runs: 6.3 %.
  assert.equal(verdict(result(1, 0.99, 0.01), result(1.062, 1.05, 0.01)), 'same');
  assert.equal(verdict(result(1, 0.99, 0.01), result(1.064, 1.05, 0.01)), 'SLOWER');
  assert.equal(verdict(result(1, 0.99, 0.1), result(1.5, 1.3, 0.1)), 'same');
});

test('steady samples do not make small changes real', () => {
  assert.equal(verdict(result(1, 1, 0), result(1.029, 1.029, 0)), 'same');
  assert.equal(verdict(result(1, 1, 0), result(1.031, 1.031, 0)), 'SLOWER');
});

test('median and best must move the same way', () => {
  assert.equal(verdict(result(1, 0.99, 0.01), result(1.5, 0.98, 0.01)), 'same');
});

test('what the peaks of the machine changed by is noise', () => {
  assert.equal(verdict(result(1, 0.99, 0.001), result(1.2, 1.19, 0.001), 0.75), 'same');
  assert.equal(verdict(result(1, 0.99, 0.001), result(1.3, 1.29, 0.001), 0.75), 'SLOWER');
});

test('cases of one run only are left out, the sum counts, another CPU is told', () => {
  const before = run(1, result(1, 1, 0), result(1, 1, 0, 'gone'));
  const now = { ...run(1, result(2, 2, 0), result(1, 1, 0, 'new')), cpu: 'b' };
  const lines = compare(before, now);
  assert.match(lines[0]!, /another CPU: a before, b now/);
  assert.match(lines[1]!, /^x \| c \| simd.*\+100\.0%.*SLOWER$/);
  assert.deepEqual(lines.slice(2), ['1 slower, 0 faster, 0 the same']);
});

test('a file that holds no results is refused', () => {
  for (const text of ['{}', '{"results":[]}', '{"results":[{"ms":1}],"rooflines":{}}'])
    assert.throws(() => parseSaved(text, 'old.json'), /old\.json: is no result of the benches/);
});
