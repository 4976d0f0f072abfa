import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../src/errors.ts';
import { exp } from '../../src/generate/exp.ts';
import { createRandom } from '../../src/generate/random.ts';
import { createSampler } from '../../src/generate/sampler.ts';
import { createStopMatcher } from '../../src/generate/stop.ts';

const logits = Float32Array.of(1, 3, 2, -1, 3, 0);

test('greedy takes the first of the largest, ids beyond the vocabulary never', () => {
  assert.equal(createSampler().next(logits, []), 1);
  assert.equal(createSampler({ vocabulary: 1 }).next(logits, []), 0);
  const hot = createSampler({ vocabulary: 3, temperature: 100, seed: 1 });
  for (let i = 0; i < 200; i++) assert.ok(hot.next(logits, []) < 3);
  assert.equal(createSampler().next(Float32Array.of(Number.NaN, -1, Number.NEGATIVE_INFINITY), []), 1);
});

test('a seed gives the same tokens on every runtime', () => {
  const draw = (seed: number): number[] => {
    const sampler = createSampler({ temperature: 1, seed });
    return Array.from({ length: 24 }, () => sampler.next(logits, []));
  };
  assert.deepEqual(draw(42), draw(42));
  assert.notDeepEqual(draw(42), draw(43));
  assert.deepEqual(draw(42), [1, 0, 2, 4, 2, 1, 4, 1, 1, 4, 4, 1, 1, 1, 1, 5, 2, 1, 4, 1, 2, 1, 4, 1]);
});

test('draws follow the probabilities', () => {
  const sampler = createSampler({ temperature: 1, seed: 5 });
  const p = sampler.probabilities(logits, []);
  const counts = new Float64Array(logits.length);
  for (let i = 0; i < 20000; i++) counts[sampler.next(logits, [])]! += 1 / 20000;
  for (let i = 0; i < p.length; i++) assert.ok(Math.abs(counts[i]! - p[i]!) < 0.015, `${i}: ${counts[i]} for ${p[i]}`);
});

test('top-p agrees with its definition on a large vocabulary', () => {
  const random = createRandom(3);
  const wide = Float32Array.from({ length: 5000 }, () => 12 * random() ** 3);
  for (const topP of [0.01, 0.5, 0.9, 0.999, 0]) {
    const all = createSampler({ temperature: 1 }).probabilities(wide, []);
    const order = [...all.keys()].sort((a, b) => all[b]! - all[a]! || a - b);
    let sum = 0;
    const kept = new Set<number>();
    for (const id of order) {
      if (kept.size > 0 && sum >= topP) break;
      kept.add(id);
      sum += all[id]!;
    }
    const got = createSampler({ temperature: 1, topP }).probabilities(wide, []);
    for (let i = 0; i < got.length; i++) assert.ok(Math.abs(got[i]! - (kept.has(i) ? all[i]! / sum : 0)) < 1e-12);
  }
});

test('top-k keeps ties, min-p a share of the largest, bias bans', () => {
  const shown = (options: object): number[] =>
    [
      ...createSampler({ temperature: 1, ...options })
        .probabilities(logits, [])
        .entries(),
    ]
      .filter(([, p]) => p > 0)
      .map(([id]) => id);
  assert.deepEqual(shown({ topK: 1 }), [1, 4]);
  assert.deepEqual(shown({ topK: 3 }), [1, 2, 4]);
  assert.deepEqual(shown({ minP: 0.3 }), [1, 2, 4]);
  assert.deepEqual(shown({ logitBias: new Map([[1, Number.NEGATIVE_INFINITY]]), topK: 1 }), [4]);
  assert.equal(createSampler({ logitBias: new Map([[5, 10]]) }).next(logits, []), 5);
});

test('repetition penalty and n-grams change greedy choices', () => {
  assert.equal(createSampler({ repetitionPenalty: 2 }).next(logits, [1]), 4);
  assert.equal(createSampler({ noRepeatNgramSize: 2 }).next(logits, [0, 1, 0]), 4);
  assert.equal(createSampler({ noRepeatNgramSize: 1 }).next(logits, [1, 4]), 2);
  assert.equal(createSampler({ noRepeatNgramSize: 3 }).next(logits, [1]), 1);
});

test('options that make no sense are refused', () => {
  for (const options of [
    { temperature: -1 },
    { temperature: Number.NaN },
    { topK: 1.5 },
    { topP: 2 },
    { minP: -0.1 },
    { repetitionPenalty: 0 },
    { seed: 0.5 },
    { noRepeatNgramSize: -1 },
  ]) {
    assert.throws(() => createSampler(options), InputError);
  }
  assert.throws(() => createSampler({ logitBias: new Map([[1, Number.NaN]]) }), InputError);
  assert.throws(() => createSampler().next(Float32Array.of(Number.NaN), []), InputError);
});

test('exp is exact to a few units in the last place', () => {
  for (let x = 0; x > -700; x -= 0.37) assert.ok(Math.abs(exp(x) / Math.exp(x) - 1) < 1e-15);
  assert.equal(exp(0), 1);
  assert.equal(exp(-1000), 0);
  assert.equal(exp(Number.NEGATIVE_INFINITY), 0);
});

test('stop strings: what may become one is held back', () => {
  const m = createStopMatcher(['###', '</s>', '']);
  assert.deepEqual(m.push('a#'), { text: 'a', stopped: false });
  assert.deepEqual(m.push('b##'), { text: '#b', stopped: false });
  assert.deepEqual(m.push('<'), { text: '##', stopped: false });
  assert.deepEqual(m.push('/s> more'), { text: '', stopped: true });
  assert.deepEqual(m.push('x'), { text: '', stopped: true });
  assert.equal(m.flush(), '');
  const n = createStopMatcher(['aab']);
  assert.deepEqual(n.push('aa'), { text: '', stopped: false });
  assert.deepEqual(n.push('a'), { text: 'a', stopped: false });
  assert.deepEqual(n.push('b!'), { text: '', stopped: true });
  const o = createStopMatcher(['END']);
  assert.equal(o.push('the EN').text, 'the ');
  assert.equal(o.flush(), 'EN');
});
