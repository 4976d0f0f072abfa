import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor, newCell } from '../src/graph/graph.ts';
import { type SelectRowsParams, selectRows } from '../src/graph/ops/selectRows.ts';
import { engines, given, random, runGraph } from './harness.ts';

/** The definition: kept and dropped rows. */
function reference(
  scores: Float32Array,
  columns: number,
  candidates: readonly number[],
  rows: number,
  how: SelectRowsParams['how'],
  k: number,
) {
  const s = candidates.map((row, i) => ({ row, s0: scores[i * columns]!, s1: columns === 2 ? scores[i * columns + 1]! : 0 }));
  const above = s.filter((c) => c.s0 > c.s1);
  const value = (c: (typeof s)[number]) => (how === 'best' ? Math.fround(c.s0 - c.s1) : c.s0);
  const ranked = [...s].sort((a, b) => value(b) - value(a) || a.row - b.row);
  const chosen = how === 'larger' ? above : ranked.slice(0, how === 'best' ? k : above.length);
  const keep = new Set(chosen.map((c) => c.row));
  const out = candidates.filter((r) => !keep.has(r));
  return { kept: Array.from({ length: rows }, (_, r) => r).filter((r) => !out.includes(r)), out };
}

for (const { name, engine } of await engines()) {
  for (const how of ['best', 'larger', 'as many'] as const) {
    for (const [rows, n, from, k] of [
      [1, 1, 0, 1],
      [9, 5, 2, 0],
      [48, 36, 5, 18],
      [40, 37, 3, 37],
      [7, 0, 0, 0],
      [600, 576, 20, 115],
    ] as const) {
      test(`selectRows ${name} ${how} ${k} of ${n} candidates among ${rows} rows`, () => {
        // Coarse values, so that there are ties and both zeros.
        const scores = random(Math.max(n, 1) * 2, n + rows).map((x) => Math.round(8 * x) / 8);
        const candidates = Array.from({ length: n }, (_, i) => from + i);
        const want = reference(scores, 2, candidates, rows, how, k);
        for (const listed of [true, false]) {
          const [count, kept, again] = [newCell('n', 600), newCell('kept', 602), newCell('again', 2)];
          const params = { rows, how, kept, again, ...(how === 'best' && { k }), ...(!listed && { from }) };
          for (const [cell, value] of [
            [count, n],
            [again, k % 3],
            [kept, 0],
          ] as const)
            engine.setCell(cell, value);
          const inputs = [{ data: scores, shape: [Math.max(n, 1), 2] }, given(Int32Array.from([...candidates, 0]), n + 1, 1)];
          const r = runGraph(engine, inputs, (g, [s, c]) =>
            g.addAll(selectRows, [{ ...s!, shape: [count, 2] }, ...(listed ? [{ ...c!, shape: [count, 1] }] : [])], params),
          );
          assert.deepEqual([...r.readInts(0)], [...want.kept, ...new Array<number>(k % 3).fill(rows - 1)]);
          assert.deepEqual([...r.readInts(1)].slice(0, want.out.length), want.out);
          r.done();
        }
      });
    }
  }
}

test('selectRows with fixed sizes gives the other rows exactly', async () => {
  const [{ engine }] = (await engines()) as [Awaited<ReturnType<typeof engines>>[number]];
  const scores = random(11, 3);
  const r = runGraph(engine, [given(scores, 11, 1)], (g, [s]) =>
    g.addAll(selectRows, [s!], { rows: 12, how: 'best', k: 4, kept: 5, from: 1 }),
  );
  const want = reference(
    scores,
    1,
    Array.from({ length: 11 }, (_, i) => i + 1),
    12,
    'best',
    4,
  );
  assert.deepEqual([[...r.readInts(0)], [...r.readInts(1)]], [want.kept, want.out]);
  r.done();
});

test('selectRows names what does not fit', () => {
  const scores = fixedTensor('s', 'f32', [9, 1]);
  assert.throws(
    () => selectRows.outputs([scores], { rows: 9, how: 'larger', kept: 4 }),
    /needs two scores per candidate: got s f32\[9, 1\]/,
  );
  assert.throws(() => selectRows.outputs([scores], { rows: 9, how: 'best', kept: 4 }), /k is given with best/);
  assert.throws(
    () => selectRows.outputs([scores], { rows: 9, how: 'best', k: 1, kept: newCell('kept', 3) }),
    /too small: got 3, expected 9/,
  );
});
