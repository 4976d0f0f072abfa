// What stands in a prompt, before anything runs: ids of another tokenizer and pictures of another width are named.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hiddenRows, rowsOf } from '../../src/generate/rows.ts';

const sizes = { vocabulary: 4, hidden: 2 };
const picture = { features: Float32Array.of(1, 2, 3, 4), rows: 2, key: 'a' };

test('rows of text and pictures in order', () => {
  const rows = rowsOf([3, picture, 0], sizes);
  assert.deepEqual(
    rows.map((r) => r.id),
    [3, -1, -1, 0],
  );
  assert.deepEqual([...hiddenRows(rows, 2)], [0, 0, 1, 2, 3, 4, 0, 0]);
});

test('what cannot be a prompt', () => {
  for (const id of [4, -1, 0.5])
    assert.throws(() => rowsOf([id], sizes), { message: /token id outside the vocabulary: .*is the tokenizer/ });
  assert.throws(() => rowsOf([{ ...picture, rows: 1 }], sizes), { message: /picture rows of another width: got 4 values for 1 rows of 2/ });
  assert.throws(() => rowsOf([], sizes), { message: /is empty/ });
});
