import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divergence, dpo, IGNORED, meanOver, tokenLogProbs } from '../src/generate/score.ts';
import { seededNoise } from '../src/models/routerNoise.ts';
import { close } from './harness.ts';

test('score: log-probabilities come from the row before, of labelled rows only', () => {
  const data = Float32Array.from([0, Math.log(3), 5, 5, 1000, 0]);
  close(tokenLogProbs({ data, vocabulary: 2 }, [7, 1, IGNORED]), [Math.log(0.75)], 1e-6, 0);
  close(tokenLogProbs({ data, vocabulary: 2 }, [0, IGNORED, 0]), [Math.log(0.5)], 1e-6, 0);
  assert.throws(() => tokenLogProbs({ data, vocabulary: 2 }, [0]), /logits of another sequence: got 3 rows, expected 1/);
});

test('score: divergence over the ids that both models have', () => {
  const student = { data: Float32Array.from([0, 0, -Infinity, 0]), vocabulary: 2 };
  const teacher = { data: Float32Array.from([Math.log(3), 0, 99, 0, 0, -99]), vocabulary: 3 };
  const d = divergence(student, teacher);
  const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
  close(d.crossEntropy, [Math.LN2, 0], 1e-6, 0);
  close(d.teacherEntropy, [entropy, Math.LN2], 1e-6, 0);
  close(d.klTeacherStudent, [Math.LN2 - entropy, -Math.LN2], 1e-6, 0);
  close(d.klStudentTeacher, [0.5 * Math.log(0.5 / 0.75) + 0.5 * Math.log(0.5 / 0.25), Math.LN2], 1e-6, 0);
  assert.throws(() => divergence(student, { ...teacher, vocabulary: 2 }), /another sequence/);
});

test('score: means over rows at answers, rows that predict them, all rows', () => {
  const labels = [IGNORED, IGNORED, 5, 6];
  assert.equal(meanOver([1, 2, 4, 8], labels, 'response'), 6);
  assert.equal(meanOver([1, 2, 4, 8], labels, 'next'), 3);
  assert.equal(meanOver([1, 2, 4, 8], labels, 'all'), 3.75);
});

test('score: DPO without a reference, and at the extremes', () => {
  const p = dpo({ chosen: -1, rejected: -3 });
  close(
    [p.rewardChosen, p.rewardRejected, p.margin, p.loss.sigmoid, p.loss.hinge, p.loss.ipo],
    [-0.1, -0.3, 0.2, -Math.log(1 / (1 + Math.exp(-0.2))), 0.8, 9],
    1e-12,
    0,
  );
  assert.equal(p.accurate, true);
  const far = dpo({ chosen: -1e5, rejected: 0 }, undefined, 1);
  assert.equal(far.accurate, false);
  assert.equal(far.loss.sigmoid, 1e5);
});

test('router noise: the same for a seed however rows are cut, Gumbel for two experts', () => {
  const noise = seededNoise(7, 2);
  const ask = { kind: 'prefill', layer: 3, experts: 4 } as const;
  const whole = noise({ ...ask, past: 0, rows: 4000 });
  assert.deepEqual(noise({ ...ask, past: 100, rows: 50 }), whole.slice(400, 600));
  assert.notDeepEqual(noise({ ...ask, layer: 4, past: 0, rows: 4000 }), whole);
  assert.ok(whole.every(Number.isFinite));
  close([whole.reduce((a, b) => a + b, 0) / whole.length], [0.5772], 0.03, 0, 'mean');
  const uniform = seededNoise(7, 1)({ ...ask, past: 0, rows: 4000 });
  assert.ok(uniform.every((u) => u > 0 && u < 1));
  close([uniform.reduce((a, b) => a + b, 0) / uniform.length], [0.5], 0.01, 0, 'mean');
});
