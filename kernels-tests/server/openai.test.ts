// The official client, unmodified, against the server on loopback.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { serve } from '@hono/node-server';
import OpenAI, { APIError } from 'openai';
import { Llava } from '../../src/index.ts';
import { handler } from '../../src/server/index.ts';
import { fixture } from '../fixtures.ts';

const KEY = 'a key';
const image = `data:image/png;base64,${readFileSync(fixture('image/rgba.png')).toString('base64')}`;
let llava: Llava;
let server: ReturnType<typeof serve>;
let client: OpenAI;
let base: string;
/** Hosts that the server's fetch was asked for. */
const asked: string[] = [];

before(async () => {
  llava = await Llava.load(fixture('models/gguf/llava15-tiny/model.gguf'), {
    mmproj: fixture('models/gguf/llava15-tiny/mmproj.gguf'),
    threads: 0,
    context: 4096,
  });
  const fetch = handler({
    models: { tiny: llava },
    apiKey: KEY,
    queue: 1,
    maxBodyBytes: 100_000,
    maxPixels: 10_000,
    imageHosts: ['pictures.test'],
    fetch: async (url) => {
      asked.push(String(url));
      return new Response(readFileSync(fixture('image/rgba.png')));
    },
  });
  server = serve({ fetch, hostname: '127.0.0.1', port: 0 });
  await new Promise<void>((resolve) => server.once('listening', () => resolve()));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new OpenAI({ baseURL: `${base}/v1`, apiKey: KEY, maxRetries: 0 });
});

after(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  await llava.dispose();
});

const ask = (text: string, url?: string): OpenAI.ChatCompletionMessageParam[] => [
  { role: 'user', content: [...(url ? [{ type: 'image_url' as const, image_url: { url } }] : []), { type: 'text', text }] },
];
const refuses = (status: number, message: RegExp) => (e: unknown) => {
  assert.ok(e instanceof APIError, String(e));
  assert.equal(e.status, status, e.message);
  assert.match(e.message, message);
  return true;
};

test('models', async () => {
  const { data } = await client.models.list();
  assert.deepEqual(
    data.map((m) => m.id),
    ['tiny'],
  );
  assert.equal((await client.models.retrieve('tiny')).object, 'model');
  await assert.rejects(client.models.retrieve('other'), refuses(404, /there is no other/));
});

test('an answer about a picture, with its counts', async () => {
  const answer = await client.chat.completions.create({ model: 'tiny', messages: ask('is it in the sea?', image), max_tokens: 8, seed: 1 });
  const [choice] = answer.choices;
  assert.equal(choice!.message.role, 'assistant');
  assert.ok(choice!.message.content!.length > 0);
  assert.equal(choice!.finish_reason, 'length');
  assert.equal(answer.usage!.completion_tokens, 8);
  assert.ok(answer.usage!.prompt_tokens > 16);
});

test('a stream gives the same text, with a last chunk of counts', async () => {
  const request = { model: 'tiny', messages: ask('is it in the sea?', image), max_tokens: 8 } as const;
  const whole = await client.chat.completions.create({ ...request, messages: [...request.messages] });
  const stream = await client.chat.completions.create({
    ...request,
    messages: [...request.messages],
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let reason: string | null = null;
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text.trim(), whole.choices[0]!.message.content);
  assert.equal(reason, 'length');
  assert.equal(usage!.completion_tokens, 8);
});

test('logprobs sum to one over the vocabulary at most, and the greedy token is the first of the top ones', async () => {
  const answer = await client.chat.completions.create({
    model: 'tiny',
    messages: ask('so?'),
    max_tokens: 4,
    logprobs: true,
    top_logprobs: 3,
  });
  const { content } = answer.choices[0]!.logprobs!;
  assert.equal(content!.length, 4);
  for (const token of content!) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0]!.token, token.token);
    assert.ok(token.logprob <= 0 && Math.exp(token.logprob) <= 1);
    assert.ok(token.top_logprobs.reduce((n, t) => n + Math.exp(t.logprob), 0) <= 1 + 1e-9);
  }
});

test('seed and stop', async () => {
  const request = { model: 'tiny', messages: ask('and?'), max_tokens: 12, temperature: 1 };
  const once = async (more: object) => (await client.chat.completions.create({ ...request, ...more })).choices[0]!;
  const [a, b, c] = [await once({ seed: 7 }), await once({ seed: 7 }), await once({ seed: 8 })];
  assert.equal(a.message.content, b.message.content);
  assert.notEqual(a.message.content, c.message.content);
  const cut = a.message.content!.slice(2, 4);
  const stopped = await once({ seed: 7, stop: [cut] });
  assert.ok(!stopped.message.content!.includes(cut));
  assert.equal(stopped.finish_reason, 'stop');
});

test('refusals say what is wrong', async () => {
  const create = (body: object) =>
    client.chat.completions.create({
      model: 'tiny',
      messages: ask('?'),
      max_tokens: 1,
      ...body,
    } as OpenAI.ChatCompletionCreateParamsNonStreaming);
  await assert.rejects(create({ model: 'other' }), refuses(404, /there is no other/));
  await assert.rejects(create({ messages: [] }), refuses(400, /messages: is empty/));
  await assert.rejects(create({ n: 2 }), refuses(400, /one choice/));
  await assert.rejects(create({ temperature: 'hot' }), refuses(400, /temperature: got "hot"/));
  await assert.rejects(create({ tools: [{}] }), refuses(400, /tools/));
  await assert.rejects(create({ messages: ask('?', '/etc/hostname') }), refuses(400, /neither a data: URL/));
  await assert.rejects(create({ messages: ask('?', 'file:///etc/hostname') }), refuses(400, /neither a data: URL/));
  await assert.rejects(create({ messages: ask('?', 'http://169.254.169.254/') }), refuses(400, /not among the allowed hosts/));
  await assert.rejects(create({ messages: ask('?', 'data:image/png;base64,AAAA') }), refuses(400, /no picture/));
  await assert.rejects(create({ messages: ask('x'.repeat(200_000)) }), refuses(413, /too large/));
  const huge = Buffer.from(readFileSync(fixture('image/rgba.png')));
  huge.writeUInt32BE(30_000, 16);
  await assert.rejects(create({ messages: ask('?', `data:image/png;base64,${huge.toString('base64')}`) }), refuses(400, /pixels/));
  await assert.rejects(new OpenAI({ baseURL: `${base}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list(), refuses(401, /API key/));
  const form = await fetch(`${base}/v1/chat/completions`, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(form.status, 415);
});

test('pictures of allowed hosts are fetched', async () => {
  await client.chat.completions.create({ model: 'tiny', messages: ask('?', 'https://pictures.test/a.png'), max_tokens: 1 });
  assert.deepEqual(asked, ['https://pictures.test/a.png']);
});

test('a client that goes away stops its answer; a full queue refuses', async () => {
  const long = () =>
    client.chat.completions.create({
      model: 'tiny',
      messages: ask('on and on', image),
      max_tokens: 4000,
      // Never the end of the text.
      logit_bias: Object.fromEntries([...llava.tokenizer.endOfGeneration].map((id) => [id, -100])),
      stream: true,
    });
  const running = await long();
  const waiting = long();
  // The second is in the queue once the gauge says so.
  while (!/pumice_requests_in_flight 2/.test(await metrics())) await new Promise((resolve) => setTimeout(resolve, 5));
  await assert.rejects(long(), refuses(429, /is full/));
  running.controller.abort();
  const second = await waiting;
  const { value } = await second[Symbol.asyncIterator]().next();
  assert.ok(value);
  second.controller.abort();
  while (!/pumice_requests_in_flight 0/.test(await metrics())) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(await metrics(), /pumice_cancelled_total [12]/);
  assert.equal((await client.chat.completions.create({ model: 'tiny', messages: ask('?'), max_tokens: 1 })).usage!.completion_tokens, 1);
});

test('health and metrics', async () => {
  assert.deepEqual(await (await fetch(`${base}/health`)).json(), { status: 'ok' });
  const text = await metrics();
  assert.match(text, /pumice_requests_total\{status="200"\} \d+/);
  assert.match(text, /pumice_requests_total\{status="429"\} 1/);
  assert.match(text, /pumice_completion_tokens_total \d+/);
});

const metrics = async () => (await fetch(`${base}/metrics`)).text();
