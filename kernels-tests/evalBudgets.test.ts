// Right answers by budget: all types in the table, in the chart those asked most.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budgetChart, budgetTable } from '../src/cli/evalBudgets.ts';

test('the table has every type, the chart no more than it has colours for, those asked most', () => {
  const types = Array.from({ length: 9 }, (_, i) => ({ group: 'seen', type: `type${i}`, items: 1 + i, right: i, majority: 0 }));
  const found = [1, 4].map((visualTokens) => ({ visualTokens, scores: types }));
  const [head, , first] = budgetTable(found).split('\n');
  assert.equal(head, `| tokens | ${types.map((t) => t.type).join(' | ')} | all |`);
  assert.match(first!, /^\| 1 \| 0\.0 % \| 50\.0 % \|.*\| 80\.0 % \|$/);
  const shown = [...budgetChart(found, 'title').matchAll(/>(all|type\d)</g)].map((m) => m[1]);
  assert.deepEqual(shown, ['all', 'type8', 'type7', 'type6', 'type5', 'type4', 'type3']);
});
