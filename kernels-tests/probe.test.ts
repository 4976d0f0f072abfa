import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestBuild } from '../src/runtime/probe.ts';

test('the relaxed build is chosen where V8 has it', () => {
  const version = Number(process.versions.v8.split('.')[0]);
  assert.equal(bestBuild(), version >= 12 ? 'relaxed' : 'simd', `V8 ${process.versions.v8}`);
});
