// The public API over a tiny random LLaVA: streaming, prefix reuse, sampling, stops, aborts, errors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { InputError, Llava, type Message } from '../src/index.ts';
import { fixture } from './fixtures.ts';

const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const MMPROJ = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const image = { width: 90, height: 60, data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256) };
const other = { ...image, data: image.data.map((x) => 255 - x) };
const ask = (text: string, ...images: (typeof image)[]): Message => ({
  role: 'user',
  content: [...images.map((x) => ({ type: 'image' as const, image: x })), { type: 'text', text }],
});

let llava: Llava;
before(async () => {
  llava = await Llava.load(MODEL, { mmproj: MMPROJ, threads: 2 });
});
after(() => llava.dispose());

test('streams text, and usage adds up', async () => {
  const reply = llava.chat([ask('is it in the sea?', image)], { maxTokens: 8 });
  let text = '';
  let ids = 0;
  for await (const chunk of reply) {
    text += chunk.text;
    ids += chunk.ids.length;
  }
  const usage = await reply.usage;
  assert.ok(text.length > 0);
  assert.equal(usage.completionTokens, 8);
  assert.ok(ids <= 8);
  assert.equal(usage.imageTokens, 16);
  assert.equal(usage.finishReason, 'length');
  assert.ok(usage.encodeFlops > 0 && usage.prefillFlops > 0 && usage.decodeFlops > 0);
});

test('a second turn does not compute the first again, and answers as if it had', async () => {
  const first = [ask('is it in the sea?', image)];
  const answer = await llava.chat(first, { maxTokens: 8 }).text();
  const turn: Message[] = [...first, { role: 'assistant', content: answer }, ask('and then?', other)];
  const reply = llava.chat(turn, { maxTokens: 8 });
  const text = await reply.text();
  const usage = await reply.usage;
  assert.ok(usage.cachedTokens >= 40, `cached ${usage.cachedTokens} of ${usage.promptTokens}`);
  assert.equal(usage.imageTokens, 32);
  const fresh = await Llava.load(MODEL, { mmproj: MMPROJ, threads: 0 });
  assert.equal(await fresh.chat(turn, { maxTokens: 8 }).text(), text);
  await fresh.dispose();
});

test('another picture with the same text is not taken from the cache', async () => {
  const a = await llava.chat([ask('what?', image)], { maxTokens: 12 }).text();
  const b = await llava.chat([ask('what?', other)], { maxTokens: 12 }).text();
  const again = await llava.chat([ask('what?', image)], { maxTokens: 12 }).text();
  assert.notEqual(a, b);
  assert.equal(again, a);
});

test('a tower in a memory of its own gives the same answer', async () => {
  const own = await Llava.load(MODEL, { mmproj: MMPROJ, threads: 2, towerMemory: 'own' });
  assert.equal(
    await own.chat([ask('is it in the sea?', image)], { maxTokens: 12 }).text(),
    await llava.chat([ask('is it in the sea?', image)], { maxTokens: 12 }).text(),
  );
  assert.notEqual(own.vision.engine, own.engine);
  await own.dispose();
});

test('a seed gives the same draw again', async () => {
  const draw = (seed: number) => llava.chat([ask('what?', image)], { maxTokens: 12, temperature: 2, seed }).text();
  assert.equal(await draw(5), await draw(5));
  assert.notEqual(await draw(5), await draw(6));
});

test('calls that overlap are answered one after the other', async () => {
  const alone = await llava.chat([ask('one', image)], { maxTokens: 6 }).text();
  const [a, b] = await Promise.all([
    llava.chat([ask('one', image)], { maxTokens: 6 }).text(),
    llava.chat([ask('two', other)], { maxTokens: 6 }).text(),
  ]);
  assert.equal(a, alone);
  assert.equal(b, await llava.chat([ask('two', other)], { maxTokens: 6 }).text());
});

test('a stop text ends the answer before it', async () => {
  const text = await llava.chat([ask('what?', image)], { maxTokens: 30 }).text();
  const stop = text.slice(4, 7);
  const cut = llava.chat([ask('what?', image)], { maxTokens: 30, stop: [stop] });
  assert.equal(await cut.text(), text.slice(0, text.indexOf(stop)).trim());
  assert.equal((await cut.usage).finishReason, 'stop');
});

test('an abort ends the answer within a token, and the model still works', async () => {
  const controller = new AbortController();
  const reply = llava.chat([ask('what?', image)], { maxTokens: 200, signal: controller.signal });
  let chunks = 0;
  await assert.rejects(async () => {
    for await (const _ of reply) if (++chunks === 3) controller.abort(new Error('enough'));
  }, /enough/);
  assert.equal(chunks, 3);
  assert.ok((await llava.chat([ask('what?', image)], { maxTokens: 3 }).text()).length > 0);
});

test('a conversation longer than the context is refused with what to do', async () => {
  const small = await Llava.load(MODEL, { mmproj: MMPROJ, threads: 0, context: 32 });
  await assert.rejects(
    small.chat([ask('what is this, then?', image)]).text(),
    /context: is full: got \d+ rows, the cache holds 32: load with a larger context/,
  );
  await small.dispose();
});

test('bad requests name what is wrong', async () => {
  await assert.rejects(Llava.load('/nowhere/model.gguf'), (e) => e instanceof InputError && /nowhere/.test(e.message));
  await assert.rejects(Llava.load(MODEL, { threads: -1 }), /threads: must be/);
  await assert.rejects(llava.chat([ask('x', image)], { temperature: Number.NaN }).text(), /temperature/);
  const blind = await Llava.load(MODEL, { threads: 0 });
  await assert.rejects(blind.chat([ask('x', image)]).text(), /has no vision tower/);
  await blind.dispose();
  await assert.rejects(Llava.load(MODEL, { mmproj: MODEL }), /no vision tower/);
});
