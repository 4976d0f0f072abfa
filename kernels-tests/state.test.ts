// A conversation that another process goes on with: the same bits as without the interruption, and nothing computed twice.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FormatError, InputError, Llava, type LoadOptions, type Message } from '../src/index.ts';
import { fixture } from './fixtures.ts';

const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const MMPROJ = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const image = { width: 90, height: 60, data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256) };
const first: Message = {
  role: 'user',
  content: [
    { type: 'image', image },
    { type: 'text', text: 'is it in the sea?' },
  ],
};
const second: Message = { role: 'user', content: 'and then?' };
const directory = mkdtempSync(join(tmpdir(), 'pumice-state-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const load = (options: LoadOptions = {}) => Llava.load(MODEL, { mmproj: MMPROJ, threads: 0, ...options });

/** Text, bits of the log-probabilities, and what was not computed. */
async function ask(llava: Llava, messages: readonly Message[]): Promise<unknown> {
  const reply = llava.chat(messages, { maxTokens: 10, logprobs: 2 });
  const logprobs = [];
  let text = '';
  for await (const chunk of reply) {
    text += chunk.text;
    logprobs.push(...(chunk.logprobs ?? []));
  }
  const { cachedTokens, promptTokens, imageTokens, kvBytes } = await reply.usage;
  return { text: text.trim(), logprobs, cachedTokens, promptTokens, imageTokens, kvBytes };
}

const cases: readonly LoadOptions[] = [
  { cacheType: 'kv-f16' },
  { cacheType: 'kv-q8', chunk: 7 },
  { cacheType: 'kv-f32', prune: { method: 'fastv', k: 1, r: 0.5 } },
];
for (const options of cases) {
  test(`a second process goes on: ${JSON.stringify(options)}`, async () => {
    await using one = await load(options);
    await ask(one, [first]);
    const bytes = await one.saveState();
    await using two = await load({ ...options, threads: 2, stageBytes: 20_000 });
    const restored = await two.restoreState(bytes);
    assert.deepEqual(
      restored.map((m) => m.role),
      ['user', 'assistant'],
    );
    const want = await ask(one, [...restored, second]);
    assert.deepEqual(await ask(two, [...restored, second]), want);
    assert.ok((want as { cachedTokens: number }).cachedTokens > 16, 'the picture is not prefilled again');
    // The picture itself is known, too: it is not encoded.
    const reply = two.chat([first], { maxTokens: 2 });
    await reply.text();
    assert.equal((await reply.usage).encodeFlops, 0);
  });
}

test('a state is refused when it is damaged or of another model, settings or version', async () => {
  await using one = await load();
  await ask(one, [first]);
  const bytes = await one.saveState();
  const flipped = bytes.slice();
  flipped[flipped.length - 5]! ^= 1;
  const version = bytes.slice();
  version[4]! += 1;
  for (const [what, damaged] of Object.entries({
    short: bytes.slice(0, -1),
    head: bytes.slice(0, 40),
    empty: new Uint8Array(3),
    flipped,
  })) {
    await assert.rejects(one.restoreState(damaged), FormatError, what);
  }
  await assert.rejects(one.restoreState(version), /another version: got 2, expected 1/);
  const refused = async (llava: Llava, message: RegExp) => {
    await assert.rejects(llava.restoreState(bytes), (e) => e instanceof InputError && message.test(e.message));
    await llava.dispose();
  };
  await refused(await load({ cacheType: 'kv-q8' }), /other settings/);
  await refused(await load({ context: 128 }), /other settings/);
  await refused(await load({ prune: { method: 'fastv', k: 1 } }), /other settings/);
  await refused(await Llava.load(fixture('models/gguf/llama-q4_0/model.gguf'), { threads: 0 }), /another model/);
  // And the one that refused goes on as if nothing had been.
  assert.deepEqual(await one.restoreState(bytes), await one.restoreState(bytes));
});

test('pumice run --save-state, --state', () => {
  const cli = fileURLToPath(new URL(import.meta.url.endsWith('.js') ? '../src/cli/main.js' : '../build/src/cli/main.js', import.meta.url));
  const picture = join(fixture('image'), readdirSync(fixture('image')).find((f) => f.endsWith('.png'))!);
  const state = join(directory, 'talk.state');
  const run = (question: string, ...options: string[]) =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [cli, 'run', question, '--model', MODEL, '--mmproj', MMPROJ, '-t', '1', '-n', '6', '--json', ...options],
        {
          encoding: 'utf8',
        },
      ),
    ) as { text: string; usage: { cachedTokens: number; imageTokens: number; encodeFlops: number } };
  run('what?', '--image', picture, '--save-state', state);
  const { usage, text } = run('and then?', '--state', state);
  assert.ok(usage.cachedTokens > 16 && usage.imageTokens === 16 && usage.encodeFlops === 0, JSON.stringify(usage));
  assert.equal(run('and then?', '--state', state).text, text);
});
