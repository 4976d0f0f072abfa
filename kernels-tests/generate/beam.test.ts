import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGguf } from '../../src/formats/gguf.ts';
import { beamSearch } from '../../src/generate/beam.ts';
import { Session } from '../../src/generate/session.ts';
import { greedy, type OpenModel, withModel } from '../../src/golden/endToEnd.ts';
import { openGgufPair } from '../../src/models/ggufLayout.ts';
import type { ModelOptions } from '../../src/models/model.ts';
import { fileSource } from '../../src/runtime/nodeFiles.ts';
import { fixture } from '../fixtures.ts';

const PROMPT = [1, 40, 77, 200, 123];

async function model(options: ModelOptions, body: (m: OpenModel) => Promise<void>): Promise<void> {
  const file = await openGguf(fileSource(join(fixture('models/gguf/qwen2-q8_0'), 'model.gguf')));
  await withModel(openGgufPair(file), options, body);
}

/** Sum of the log-probabilities of `ids` after `prompt`, computed without any copies of caches. */
async function logProbability(session: Session, prompt: readonly number[], ids: readonly number[]): Promise<number> {
  session.truncate(0);
  let { logits } = await session.prefill(prompt);
  let sum = 0;
  for (const id of ids) {
    const norm = Math.log(logits.reduce((s, x) => s + Math.exp(x), 0));
    sum += logits[id]! - norm;
    logits = await session.step(id);
  }
  return sum;
}

for (const cacheType of ['kv-f32', 'kv-f16', 'kv-q8'] as const) {
  test(`beam search: hypotheses are worth what the model gives them, ${cacheType}`, async () => {
    await model({ cacheType }, async ({ programs, model: { decoder } }) => {
      const session = new Session(programs, decoder);
      const { hypotheses } = await beamSearch(session, PROMPT, { numBeams: 4, maxTokens: 6, lengthPenalty: 0.5, end: new Set() });
      assert.equal(hypotheses.length, 4);
      for (const { ids, score } of hypotheses) {
        const want = (await logProbability(session, PROMPT, ids)) / 6 ** 0.5;
        assert.ok(Math.abs(score - want) < 1e-3, `${ids}: ${score}, ${want}`);
      }
      const scores = hypotheses.map((h) => h.score);
      assert.deepEqual(
        scores,
        [...scores].sort((a, b) => b - a),
      );
    });
  });
}

test('beam search with one beam is greedy; the last id of the vocabulary can be left out', async () => {
  await model({}, async ({ programs, model: { decoder } }) => {
    const session = new Session(programs, decoder);
    const { ids } = await greedy(session, PROMPT, 5);
    const one = (vocabulary?: number) =>
      beamSearch(session, PROMPT, { numBeams: 1, maxTokens: 5, end: new Set(), ...(vocabulary === undefined ? {} : { vocabulary }) });
    assert.deepEqual((await one()).hypotheses[0]!.ids, ids);
    const limit = Math.max(...ids);
    assert.ok((await one(limit)).hypotheses[0]!.ids.every((id) => id < limit));
  });
});

test('beam search: early stopping ends with the first finished hypotheses', async () => {
  await model({}, async ({ programs, model: { decoder } }) => {
    const session = new Session(programs, decoder);
    const { ids } = await greedy(session, PROMPT, 2);
    const end = new Set([ids[1]!]);
    const { hypotheses } = await beamSearch(session, PROMPT, { numBeams: 1, maxTokens: 9, earlyStopping: true, end });
    assert.deepEqual(hypotheses[0]!.ids, ids);
  });
});
