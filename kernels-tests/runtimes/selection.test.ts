// The selection on this Node. .ci/runtimes runs it on the other runtimes and compares.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectionFile } from './files.ts';
import { differences, selection } from './selection.ts';

test('whole models: the same bits on every build and thread count, cold and warm', async () => {
  const report = await selection({ name: 'node', file: selectionFile, threads: [0, 1, 2, 3] });
  assert.ok(report.runs.length > 10);
  assert.deepEqual(differences(report), []);
});
