import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { InputError, PumiceError } from '../../src/errors.ts';
import { blobSource } from '../../src/formats/blobSource.ts';
import type { HttpOptions } from '../../src/formats/http.ts';
import { httpSource } from '../../src/formats/httpSource.ts';
import { openSource } from '../../src/formats/openSource.ts';
import { openSafetensors } from '../../src/formats/safetensors.ts';
import type { ByteSource } from '../../src/formats/source.ts';
import { fileSource } from '../../src/runtime/nodeFiles.ts';
import { fixture } from '../fixtures.ts';
import { type FakeServer, fakeServer } from './server.ts';

const fast: HttpOptions = { backoffMs: 1, retries: 3 };
const big = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >> 8)) & 255);
let server: FakeServer;
before(async () => {
  server = await fakeServer();
});
after(() => server.close());

const code = (wanted: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PumiceError, String(error));
  assert.equal(error.code, wanted, String(error));
  assert.match(error.message, message);
  return true;
};

/** Puts a file on the server; its URL. */
function put(path: string, file: Parameters<FakeServer['files']['set']>[1]): string {
  server.files.set(path, file);
  server.requests.length = 0;
  return server.url + path;
}

async function part(source: ByteSource, from: number, length: number): Promise<void> {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  await source.readInto(bytes, from);
  assert.equal(Buffer.compare(bytes, big.subarray(from, from + length)), 0, `${length} bytes at ${from}`);
}

test('http: the first block comes with the size; small reads share blocks, large ones are one request', async () => {
  const source = await httpSource(put('/a', { bytes: big, etag: '"1"' }), fast);
  assert.equal(source.size, big.length);
  await part(source, 0, 8);
  await part(source, 100_000, 1000);
  assert.deepEqual(
    server.requests.map((r) => r.line),
    ['GET /a bytes=0-131071'],
  );
  await part(source, 131_000, 200);
  await Promise.all([part(source, 131_100, 10), part(source, 200_000, 10)]);
  await part(source, big.length - 1, 1);
  await part(source, 1, 600_000);
  assert.deepEqual(
    server.requests.slice(1).map((r) => r.line),
    ['GET /a bytes=131072-262143', 'GET /a bytes=655360-700000', 'GET /a bytes=1-600000'],
  );
  await assert.rejects(part(source, big.length - 1, 2), code('truncated', /ends at byte 700001/));
  await source.close();
  await assert.rejects(part(source, 0, 1), code('input', /closed/));
});

test('http: broken connections are resumed where they broke; each progress renews the patience', async () => {
  const source = await httpSource(put('/b', { bytes: big, etag: '"1"', cuts: [1000, 50_000] }), fast);
  server.files.get('/b')!.cuts = [100_000, 1, 0, 0, 100_000, 0, 0, 5];
  server.requests.length = 0;
  await part(source, 10, 400_000);
  assert.equal(server.requests.length, 9);
  const starts = server.requests.map((r) => Number(/=(\d+)-400009$/.exec(r.line)?.[1]));
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  );
  assert.ok(starts[1]! > 10 && starts.at(-1)! > 100_010, String(starts));
  server.files.get('/b')!.cuts = [0, 0, 0, 0];
  await assert.rejects(part(source, 10, 400_000), code('input', /\(4 attempts\)/));
  await source.close();
});

test('http: a connection that stalls counts as broken', async () => {
  const source = await httpSource(put('/s', { bytes: big, etag: '"1"' }), { ...fast, stallMs: 100 });
  server.files.get('/s')!.stall = 5000;
  await part(source, 0, 300_000);
  assert.equal(server.requests.at(-1)!.line, 'GET /s bytes=5000-299999');
  await source.close();
});

test('http: statuses', async () => {
  await assert.rejects(httpSource(`${server.url}/none?token=secret`, fast), (error: Error) => {
    assert.match(error.message, /\/none: there is no such file on the server \(status 404\)/);
    assert.ok(!error.message.includes('secret'));
    return error instanceof InputError;
  });
  await assert.rejects(httpSource(put('/c', { bytes: big, statuses: [401] }), fast), code('input', /refuses access .* token/));
  await assert.rejects(httpSource(put('/c', { bytes: big, statuses: [418] }), fast), code('input', /status 418/));
  assert.equal(server.requests.length, 1);
  const source = await httpSource(put('/c', { bytes: big, statuses: [503, 429] }), fast);
  assert.equal(server.requests.length, 3);
  await source.close();
  await assert.rejects(
    httpSource(put('/c', { bytes: big, statuses: [500, 500, 500, 500, 500] }), fast),
    code('input', /status 500 \(4 attempts\)/),
  );
  await assert.rejects(httpSource('http://127.0.0.1:1/x', fast), code('input', /cannot be reached: .*\(4 attempts\)/));
  await assert.rejects(httpSource('ftp://x/y'), code('input', /http: or https: is expected/));
  await assert.rejects(httpSource('nothing'), code('input', /is not a URL/));
});

test('http: a web page instead of a model', async () => {
  const url = put('/page', { bytes: new TextEncoder().encode('<!doctype html>'), type: 'text/html; charset=utf-8' });
  await assert.rejects(httpSource(url, fast), code('format', /is a web page, no file: .*\/resolve\//));
});

test('http: a file that changes is not mixed with itself', async () => {
  const source = await httpSource(put('/d', { bytes: big, etag: '"1"' }), fast);
  server.files.get('/d')!.etag = '"2"';
  await assert.rejects(part(source, 300_000, 10), code('changed', /has changed while it was read/));
  server.files.get('/d')!.etag = '"1"';
  await part(source, 300_000, 10);
  server.files.get('/d')!.bytes = big.subarray(0, 600_000);
  await assert.rejects(part(source, 300_000, 200_000), code('changed', /has changed/));
  await source.close();
});

test('http: servers without ranges give small files whole, large ones are refused', async () => {
  for (const unsized of [false, true]) {
    const source = await httpSource(put('/e', { bytes: big, whole: true, unsized }), fast);
    assert.equal(source.size, big.length);
    await part(source, 500_000, 1000);
    await source.close();
  }
  const cut = await httpSource(put('/e', { bytes: big, whole: true, cuts: [1e9, 300_000, 400_000] }), fast);
  await part(cut, 0, big.length);
  await cut.close();
  const large = put('/e', { bytes: new Uint8Array(65 * 1024 * 1024), whole: true });
  await assert.rejects(httpSource(large, fast), code('unsupported', /does not send parts of files: download/));
  server.files.delete('/e');
});

test('http: tokens stay with their origin; an expired redirect is asked for again', async () => {
  const store = await fakeServer({ '/blob': { bytes: big, etag: '"1"' } });
  const source = await httpSource(put('/hub', { bytes: big, redirect: `${store.url}/blob?lent` }), {
    ...fast,
    headers: { authorization: 'Bearer x' },
  });
  await part(source, 300_000, 10);
  assert.equal(server.requests.length, 1);
  assert.equal(server.requests[0]!.headers.authorization, 'Bearer x');
  assert.ok(store.requests.every((r) => r.headers.authorization === undefined));
  store.files.get('/blob')!.statuses = [403];
  await part(source, 500_000, 10);
  assert.equal(server.requests.length, 2);
  await source.close();
  await store.close();
});

test('http: abort and close end a read', async () => {
  const abort = new AbortController();
  const url = put('/f', { bytes: big, etag: '"1"' });
  const source = await httpSource(url, { ...fast, signal: abort.signal });
  server.files.get('/f')!.slow = 20;
  const reading = part(source, 0, 600_000);
  setTimeout(() => abort.abort(new RangeError('enough')), 30);
  await assert.rejects(reading, /enough/);
  const other = await httpSource(url, { ...fast, stallMs: 10_000 });
  const more = part(other, 0, 600_000);
  setTimeout(() => other.close(), 30);
  await assert.rejects(more, /was closed while it was read/);
  await assert.rejects(httpSource(url, { ...fast, signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('a checkpoint over http', async () => {
  const path = join(fixture('formats/lora'), 'expected.safetensors');
  const local = fileSource(path);
  const bytes = new Uint8Array(local.size);
  await local.readInto(bytes, 0);
  const file = await openSafetensors(await httpSource(put('/m', { bytes }), fast));
  assert.deepEqual([...file.tensors.keys()].sort(), ['inputs_embeds', 'lm_hidden_1']);
  await file.close();
  await local.close();
});

test('blobs', async () => {
  const source = blobSource(new Blob([big.subarray(0, 5), big.subarray(5)]));
  assert.equal(source.size, big.length);
  await part(source, 3, 600_000);
  await part(source, 0, 0);
  await assert.rejects(part(source, big.length, 1), code('truncated', /blob: ends at byte 700001/));
  assert.equal(blobSource(new File([big], 'model.gguf')).name, 'model.gguf');
  const gone = {
    size: 5,
    slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException('', 'NotReadableError')) }),
  } as unknown as Blob;
  await assert.rejects(blobSource(gone).readInto(new Uint8Array(1), 0), code('input', /choose the file again/));
});

test('openSource takes what there is', async () => {
  const opened: string[] = [];
  const file = (path: string | URL): ByteSource => {
    opened.push(String(path));
    return fileSource(fixture('formats/lora/adapter_config.json'));
  };
  for (const input of ['a.gguf', './b:c', 'C:\\m.gguf', '/x y', 'file:///z', new URL('file:///z')])
    await (await openSource(input, { file })).close();
  assert.deepEqual(opened, ['a.gguf', './b:c', 'C:\\m.gguf', '/x y', 'file:///z', 'file:///z']);
  const url = put('/g', { bytes: big });
  for (const input of [big, big.buffer, new Blob([big]), url, new URL(url), `data:;base64,${Buffer.from(big).toString('base64')}`]) {
    const source = await openSource(input);
    await part(source, 600_000, 100);
    await source.close();
  }
  const own = await openSource(big);
  assert.equal(await openSource(own), own);
  const cached = await openSource(url, { url: async () => own });
  assert.equal(cached, own);
  await assert.rejects(openSource('a.gguf'), code('input', /there are no local files here/));
  await assert.rejects(openSource('s3://b/k'), code('input', /cannot be opened/));
  await assert.rejects(openSource(''), code('input', /empty/));
  await assert.rejects(openSource(7 as unknown as string), code('input', /got number/));
});
