// The embedded model on the example pictures: at least 5 of 6 descriptions name every item.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Llava } from '../src/index.ts';
import { builds } from './harness.ts';

interface Example {
  readonly picture: string;
  /** Words that the description must have: singular names of what is in the picture. */
  readonly items: readonly string[];
  readonly sign: string | null;
}

const at = (path: string) => new URL(`../../${path}`, import.meta.url);

for (const build of builds.filter((b) => b !== 'debug')) {
  test(`pebble names what is in the example pictures, ${build} build`, async (t) => {
    const examples = JSON.parse(await readFile(at('examples/expected.json'), 'utf8')) as Example[];
    await using model = await Llava.load(await readFile(at('models/pebble.gguf')), { build, threads: 2 });
    let right = 0;
    for (const { picture, items, sign } of examples) {
      const image = await readFile(at(`examples/${picture}`));
      const text = await model
        .chat(
          [
            {
              role: 'user',
              content: [
                { type: 'image', image },
                { type: 'text', text: 'Describe the picture.' },
              ],
            },
          ],
          { maxTokens: 96 },
        )
        .text();
      const missing = [...items, ...(sign ? [sign] : [])].filter((word) => !text.includes(word));
      t.diagnostic(`${picture}: ${text}${missing.length ? ` (missing: ${missing.join(', ')})` : ''}`);
      if (missing.length === 0) right++;
    }
    assert.equal(examples.length, 6);
    assert.ok(right >= 5, `${right} of 6 descriptions name every item`);
  });
}
