import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { InputError } from '../../src/errors.ts';
import { type ImageInput, loadImage } from '../../src/image/load.ts';
import { fixture } from '../fixtures.ts';
import { fixtureBytes, pattern } from './pattern.ts';

const bytes = fixtureBytes('rgb.png') as Uint8Array<ArrayBuffer>;
const answer = (body: BodyInit | null, status = 200) => (async () => new Response(body, { status })) as typeof fetch;
const input = (pattern: RegExp) => (e: unknown) => e instanceof InputError && pattern.test(e.message);

test('every kind of input gives the same picture', async () => {
  const want = await loadImage(bytes);
  const url = `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
  const path = fixture('image/rgb.png');
  const inputs: readonly ImageInput[] = [bytes.buffer, Buffer.from(bytes), new Blob([bytes]), url, new URL(url), want];
  for (const x of inputs) assert.deepEqual(await loadImage(x), want);
  assert.deepEqual(await loadImage(path, { readFile }), want);
  assert.deepEqual(await loadImage('https://host/a.png', { fetch: answer(bytes) }), want);
});

test('pixels are checked and passed on', async () => {
  const image = pattern(5, 4);
  assert.equal(await loadImage(image), image);
  await assert.rejects(loadImage({ ...image, height: 5 }), input(/wrong amount of pixels: got 60 bytes for 5 x 5, expected 75/));
  await assert.rejects(loadImage({ width: 0, height: 4, data: new Uint8Array(0) }), input(/has no pixels: got 0 x 4/));
});

test('what cannot be loaded is named', async () => {
  await assert.rejects(loadImage('a.png'), input(/^a\.png: local files are not read here/));
  await assert.rejects(loadImage('none.png', { readFile }), input(/^none\.png: cannot be read: ENOENT/));
  await assert.rejects(
    loadImage('https://host/a.png', { fetch: answer('gone', 404) }),
    input(/^https:\/\/host\/a\.png: cannot be fetched: the server answers 404/),
  );
  await assert.rejects(
    loadImage('https://host/a.png', { fetch: answer(bytes), maxBytes: 100 }),
    input(/^https:\/\/host\/a\.png: too large: more than 100 bytes/),
  );
  await assert.rejects(loadImage('https://host/a.png', { fetch: answer('<html>') }), input(/^https:\/\/host\/a\.png: is no picture/));
  await assert.rejects(loadImage('https://host/a.png', { fetch: null }), input(/URLs are not fetched here/));
  await assert.rejects(loadImage('data:image/png;base64,AAAA'), input(/^data: URI: is no picture/));
  for (const x of [42, null, undefined]) await assert.rejects(loadImage(x as unknown as ImageInput), input(/^image: cannot be loaded/));
});

test('an abort passes as it is', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(loadImage('data:image/png;base64,AAAA', { signal }), /enough/);
});
