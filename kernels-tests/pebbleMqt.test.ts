// The embedded model with a budget: as many rows as were asked for, and right names with all of them.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { embedded, embeddedSet } from '../src/cli/embedded.ts';
import { answerItems, parseItems } from '../src/evaluate.ts';
import { Llava } from '../src/index.ts';
import { builds } from './harness.ts';

const MODEL = embedded('pebble-mqt');
const set = (path: string) => readFile(`${embeddedSet()}/${path}`);

for (const build of builds.filter((b) => b !== 'debug')) {
  test(`pebble-mqt answers with m rows of a picture, ${build} build`, async (t) => {
    await using model = await Llava.load(await readFile(MODEL), { build, threads: 0 });
    assert.equal(model.model.name, 'mqt-llava');
    const image = await readFile(new URL('../../examples/scene-1.png', import.meta.url));
    for (const visualTokens of [64, 16, 1]) {
      const content = [{ type: 'image', image } as const, { type: 'text', text: 'Describe the picture.' } as const];
      const reply = model.chat([{ role: 'user', content }], { maxTokens: 96, visualTokens });
      const text = await reply.text();
      t.diagnostic(`${visualTokens}: ${text}`);
      assert.equal((await reply.usage).imageTokens, visualTokens);
      if (visualTokens > 1) assert.match(text, /^[A-Z].*, on an? .* background\.$/);
      if (visualTokens === 64) for (const item of ['rabbit', 'light bulb']) assert.ok(text.includes(item), text);
    }
  });
}

test('pebble-mqt names single things with 64 and with 16 rows', async (t) => {
  const items = parseItems(await readFile(`${embeddedSet()}/pairs.jsonl`, 'utf8'), 'pairs.jsonl').filter(
    (i) => i.group === 'seen' && i.type === 'what1',
  );
  await using model = await Llava.load(await readFile(MODEL), { threads: 0 });
  const right = async (visualTokens: number) => {
    let n = 0;
    for await (const { got, answer } of answerItems(model, items, set, { visualTokens })) if (got === answer) n++;
    t.diagnostic(`${visualTokens} rows: ${n} of ${items.length}`);
    return n;
  };
  assert.ok((await right(64)) >= 0.8 * items.length);
  assert.ok((await right(16)) >= 0.7 * items.length);
});
