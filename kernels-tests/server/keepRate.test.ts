// Requests choose how many of a picture's rows go on, where the model drops some.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Llava, type LoadOptions } from '../../src/index.ts';
import { handler } from '../../src/server/index.ts';
import { fixture } from '../fixtures.ts';

const url = `data:image/png;base64,${readFileSync(fixture('image/rgba.png')).toString('base64')}`;
const messages = [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: 'What is here?' },
    ],
  },
];
const tiny = (options: LoadOptions) =>
  Llava.load(fixture('models/gguf/llava15-tiny/model.gguf'), {
    mmproj: fixture('models/gguf/llava15-tiny/mmproj.gguf'),
    threads: 0,
    context: 512,
    ...options,
  });

interface Card {
  readonly data: readonly { readonly pumice: { readonly choices: readonly string[] } }[];
}
interface Said {
  readonly choices?: readonly { readonly logprobs: { readonly content: readonly { readonly logprob: number }[] } }[];
  readonly error?: { readonly message: string };
}

test('keep_rate: offered, obeyed, and refused where nothing is dropped', async () => {
  await using pruned = await tiny({ prune: { method: 'fastv', k: 1, r: 0 } });
  await using plain = await tiny({});
  const serve = handler({ models: { pruned, plain } });
  const { data } = (await (await serve(new Request('http://here/v1/models'))).json()) as Card;
  assert.deepEqual(
    data.map((card) => card.pumice.choices),
    [['keepRate'], []],
  );
  const ask = async (model: string, keep_rate?: number) => {
    const body = JSON.stringify({
      model,
      messages,
      max_tokens: 3,
      logprobs: true,
      pumice: { ...(keep_rate !== undefined && { keep_rate }) },
    });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    const response = await serve(new Request('http://here/v1/chat/completions', init));
    const said = (await response.json()) as Said;
    return { status: response.status, error: said.error?.message ?? '', logps: said.choices?.[0]?.logprobs.content.map((t) => t.logprob) };
  };
  const all = await ask('plain');
  assert.equal(all.status, 200, all.error);
  assert.deepEqual(await ask('pruned'), all);
  const quarter = await ask('pruned', 0.25);
  assert.notDeepEqual(quarter.logps, all.logps);
  assert.deepEqual(await ask('pruned', 1), all);
  assert.deepEqual(await ask('pruned', 0.25), quarter);
  const refused = await ask('plain', 0.5);
  assert.equal(refused.status, 400);
  assert.match(refused.error, /keepRate: this model lets all rows of a picture go on/);
  assert.match((await ask('pruned', 2)).error, /keepRate: must be a share from 0 to 1: got 2/);
});
