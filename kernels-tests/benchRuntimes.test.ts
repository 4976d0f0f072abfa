// Benches in several runtimes: one table, whatever is missing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Result } from '../bench/harness.ts';
import { commandOf, runtimeNames, runtimeTable } from '../bench/runtimes.ts';
import type { Build } from '../src/runtime/platform.ts';

const result = (build: Build, ms: number, name = 'c', cpu = 1): Result => ({
  op: 'add',
  case: name,
  build,
  ms,
  bestMs: ms,
  spread: 0.02,
  samples: 9,
  gmacs: 1,
  gbs: 1,
  bound: 'f32',
  share: 1,
  cpu,
});
const column = (name: string, ...results: Result[]) => ({ name, saved: { runtime: `${name} 1.0`, rooflines: {}, results } });

test('a column for each runtime, times against the first, gaps where a build or a case is missing', () => {
  const lines = runtimeTable([
    column('node', result('simd', 2), result('relaxed', 1)),
    column('bun', result('simd', 3), result('simd', 0.5, 'only here', 0.5)),
    { name: 'deno', missing: 'deno: was not found: install it' },
  ]);
  assert.deepEqual(lines.slice(0, 2), ['node: node 1.0', 'bun: bun 1.0']);
  const cells = lines.slice(2, 6).map((l) => l.split(/ {2,}/));
  assert.deepEqual(cells, [
    ['op', 'build', 'case', 'node', 'bun'],
    ['add', 'simd', 'c', '2.00 ms +-2 %', '1.50x 3.00 ms +-2 %'],
    ['add', 'relaxed', 'c', '1.00 ms +-2 %', '-'],
    ['add', 'simd', 'only here', '-', '500.00 us +-2 % (cpu 50 %)'],
  ]);
  assert.equal(new Set(lines.slice(2, 6).map((l) => l.length)).size, 1, 'columns are aligned');
  assert.deepEqual(lines.slice(6), ['not run: deno: was not found: install it']);
});

test('runtimes are named, found, or said to be missing', () => {
  assert.deepEqual(runtimeNames('bun,node'), ['bun', 'node']);
  assert.throws(() => runtimeNames('node,python'), /--runtime: got python, expected some of node,deno,bun,chromium/);
  assert.deepEqual(commandOf('node', {}), [process.execPath]);
  assert.equal(commandOf('bun', { BUN: process.execPath })[0], process.execPath);
  assert.throws(() => commandOf('deno', { DENO: '/no/such/deno' }), /deno: there is no \/no\/such\/deno, which \$DENO names/);
});
