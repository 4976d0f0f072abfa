import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedded } from '../src/cli/embedded.ts';
import { InputError, Llava, type Message } from '../src/index.ts';
import { fixture } from './fixtures.ts';
import { close } from './harness.ts';

const PEBBLE = embedded();
const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const mmproj = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const image = { width: 90, height: 60, data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256) };
const turns = (answer: string): Message[] => [
  {
    role: 'user',
    content: [
      { type: 'image', image },
      { type: 'text', text: 'is it in the sea?' },
    ],
  },
  { role: 'assistant', content: answer },
];

test('score: one log-probability a token, the same in chunks, and text to the answer', async () => {
  const scores = [];
  for (const chunk of [512, 7]) {
    await using llava = await Llava.load(MODEL, { mmproj, threads: 0, chunk, cacheType: 'kv-f32' });
    const s = await llava.score(turns('no, in a tree'));
    assert.equal(s.count, s.tokens.length);
    assert.ok(s.count > 1 && s.tokens.every((t) => t.logp < 0));
    assert.ok(
      s.tokens
        .map((t) => t.text)
        .join('')
        .includes('tree'.slice(0, 1)),
    );
    close([s.mean, s.perplexity], [s.sum / s.count, Math.exp(-s.mean)], 1e-9, 1e-9);
    scores.push(s.tokens.map((t) => t.logp));
    await assert.rejects(llava.score(turns('x').slice(0, 1)), InputError);
  }
  close(scores[1]!, scores[0]!, 1e-4, 1e-4);
});

test('score with a teacher: no distance from itself, some from a quantized cache, refused across tokenizers', async () => {
  await using student = await Llava.load(MODEL, { mmproj, threads: 0, cacheType: 'kv-q8' });
  await using teacher = await Llava.load(MODEL, { mmproj, threads: 0, cacheType: 'kv-f32', chunk: 7 });
  const messages = turns('no, in a tree');
  const { distance: own } = await student.score(messages, { teacher: student });
  assert.equal(own!.klTeacherStudent, 0);
  assert.equal(own!.crossEntropy, own!.teacherEntropy);
  const plain = await student.score(messages);
  const { distance, teacher: other, ...score } = await student.score(messages, { teacher });
  assert.deepEqual(score, plain, 'the score itself does not change');
  assert.deepEqual(other, await teacher.score(messages));
  assert.ok(distance!.klTeacherStudent > 0 && distance!.klTeacherStudent < 0.1, `${distance!.klTeacherStudent}`);
  close([distance!.crossEntropy - distance!.teacherEntropy], [distance!.klTeacherStudent], 1e-9, 1e-9);

  await using pebble = await Llava.load(PEBBLE, { threads: 0 });
  await assert.rejects(student.score(messages, { teacher: pebble }), /the two models have other tokens/);
});
