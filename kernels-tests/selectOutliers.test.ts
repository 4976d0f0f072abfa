import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor, newCell } from '../src/graph/graph.ts';
import { selectOutliers } from '../src/graph/ops/selectOutliers.ts';
import { engines, given, random, runGraph } from './harness.ts';

/** The definition, in f64. */
function reference(scores: Float32Array, samples: number | undefined): { index: number[]; ratio: number } {
  const n = scores.length;
  const sorted = [...scores].sort((a, b) => a - b);
  const quantile = (q: number) => {
    const place = q * (n - 1);
    const low = Math.floor(place);
    return sorted[low]! + (sorted[Math.min(low + 1, n - 1)]! - sorted[low]!) * (place - low);
  };
  const [q1, q3] = [quantile(0.25), quantile(0.75)];
  const above = sorted.filter((s) => s > q3 + 1.5 * (q3 - q1)).length;
  const ratio = above ? above / n : 0.125;
  const ranked = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const index = ranked.slice(0, Math.trunc(n * ratio));
  if (samples === undefined) return { index, ratio };
  const step = Math.max(1, Math.trunc(Math.trunc(1 / ratio) / 3));
  const all = [...index];
  for (let i = 0; i < Math.min(samples, n); i += step) if (!index.includes(i)) all.push(i);
  return { index: all, ratio };
}

for (const { name, engine } of await engines()) {
  for (const [n, power] of [
    [1, 1],
    [8, 1],
    [100, 9],
    [576, 15],
    [576, 1],
  ] as const) {
    for (const samples of [undefined, 575]) {
      test(`selectOutliers ${name} ${n} scores^${power}${samples ? ' and samples' : ''}`, () => {
        const scores = random(n, n + power).map((x) => Math.fround(Math.abs(x) ** power));
        const want = reference(scores, samples);
        const [chosen, merged] = [newCell('chosen', n), newCell('merged', n + 1)];
        const params = { chosen, merged, ...(samples !== undefined && { samples }) };
        const r = runGraph(engine, [given(scores, n, 1)], (g, [t]) => g.addAll(selectOutliers, [t!], params));
        assert.deepEqual([...r.readInts(0)], want.index);
        assert.equal(r.read(1)[0], Math.fround(want.ratio));
        assert.equal(engine.getCell(merged), want.index.length + 1);
        r.done();
      });
    }
  }
}

test('selectOutliers names what does not fit', () => {
  const cells = { chosen: newCell('chosen', 8), merged: newCell('merged', 9) };
  assert.throws(() => selectOutliers.outputs([fixedTensor('s', 'f32', [9, 1])], cells), /cells are too small: got 8 and 9 for s/);
});
