import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { cases as conversations } from '../../src/golden/conversations.ts';
import { cases as sampling } from '../../src/golden/sampling.ts';
import { cases as tokenizers } from '../../src/golden/tokenizers.ts';
import { fixture } from '../fixtures.ts';

const dir = fixture('tokenizer');

test('tokenizers: ids, decoded texts and streams of the reference', async (t) => {
  const names = ['', ...readdirSync(dir).filter((name) => name.startsWith('tiny-'))];
  for (const name of names) {
    for (const runner of tokenizers) {
      if (runner.matches('tokenizers', name)) await t.test(name || 'llama-spm', () => runner.run(fixture(`tokenizer/${name}`)));
    }
  }
});

test('conversations: prompts, stop strings and ids of the reference', () => conversations[0]!.run(fixture('tokenizer/conv-templates')));

test('sampler: probabilities of the reference', () => sampling[0]!.run(fixture('tokenizer/sampling-warpers')));
