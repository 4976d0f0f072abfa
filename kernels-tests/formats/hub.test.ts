// Models by name, from a server on this machine that speaks the hub's paths.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PumiceError } from '../../src/errors.ts';
import { Llava } from '../../src/index.ts';
import { type HubOptions, hubDirectory, hubEndpoint, openHub } from '../../src/runtime/hubCache.ts';
import { chooseFiles, hubName } from '../../src/runtime/hubNames.ts';
import { fixture } from '../fixtures.ts';
import { type FakeFile, type FakeServer, fakeServer } from './server.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
let server: FakeServer;
let directory: string;
const saved = { ...process.env };
before(async () => {
  server = await fakeServer();
  directory = mkdtempSync(join(tmpdir(), 'pumice-hub-'));
  process.env.PUMICE_HUB = server.url;
  process.env.HF_HUB_CACHE = join(directory, 'env');
  process.env.PUMICE_CACHE = join(directory, 'urls');
});
after(async () => {
  process.env = saved;
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(() => server.files.clear());

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Puts a repository on the server: large files redirect to a store, as on the hub. */
function publish(repository: string, files: Record<string, Uint8Array>, more: Partial<FakeFile> = {}): void {
  const json = JSON.stringify({ sha: COMMIT, siblings: Object.keys(files).map((rfilename) => ({ rfilename })) });
  server.files.set(`/api/models/${repository}/revision/main`, { bytes: Buffer.from(json), type: 'application/json' });
  for (const [name, bytes] of Object.entries(files)) {
    const path = `/${repository}/resolve/${COMMIT}/${name}`;
    if (name.endsWith('.gguf')) {
      const store = `/store/${sha256(bytes)}`;
      server.files.set(path, { bytes, redirect: store, headers: { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-repo-commit': COMMIT } });
      server.files.set(store, { bytes, etag: '"store"', ...more });
    } else server.files.set(path, { bytes, etag: `"${gitHash(bytes)}"` });
  }
  server.requests.length = 0;
}

const model = readFileSync(fixture('models/gguf/llava15-tiny/model.gguf'));
const mmproj = readFileSync(fixture('models/gguf/llava15-tiny/mmproj.gguf'));
const options = (name: string, more: HubOptions = {}): HubOptions => ({ directory: join(directory, name), backoffMs: 1, ...more });
const code = (wanted: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PumiceError, String(error));
  assert.equal(error.code, wanted, String(error));
  assert.match(error.message, message);
  return true;
};

test('names', () => {
  assert.deepEqual(hubName('org/name'), { repository: 'org/name', revision: 'main' });
  assert.deepEqual(hubName('org/na.me-7b@v1:Q4_K_M'), { repository: 'org/na.me-7b', revision: 'v1', quant: 'Q4_K_M' });
  for (const no of ['name', './a/b', '/a/b', 'a/b/c', 'dir/model.gguf', 'http://x/y', '../x/y', 'a\\b'])
    assert.equal(hubName(no), null, no);
  assert.equal(hubEndpoint({ HF_ENDPOINT: 'http://mirror/' }), 'http://mirror');
  assert.equal(hubDirectory({}, '/home/x'), join('/home/x', '.cache', 'huggingface', 'hub'));
});

test('files of a repository', () => {
  const name = (quant?: string) => ({ repository: 'o/n', revision: 'main', ...(quant === undefined ? {} : { quant }) });
  const ggufs = ['llava-Q4_K_M.gguf', 'llava-q8_0.gguf', 'mmproj-llava-f16.gguf', 'mmproj-llava-q4_0.gguf', 'README.md'];
  assert.deepEqual(chooseFiles(name('Q8_0'), ggufs), {
    kind: 'gguf',
    model: 'llava-q8_0.gguf',
    mmproj: 'mmproj-llava-f16.gguf',
    files: ['llava-q8_0.gguf', 'mmproj-llava-f16.gguf'],
  });
  assert.equal((chooseFiles(name(), ggufs) as { model: string }).model, 'llava-Q4_K_M.gguf');
  assert.throws(() => chooseFiles(name('q2_k'), ggufs), code('input', /0 files for q2_k.*llava-q8_0/));
  const parts = ['m-q4_0-00001-of-00002.gguf', 'm-q4_0-00002-of-00002.gguf'];
  assert.deepEqual(chooseFiles(name('q4_0'), parts).files, parts);
  assert.deepEqual(chooseFiles(name(), ['config.json', 'model.safetensors', 'pytorch_model.bin', 'tokenizer.model', 'a.msgpack']), {
    kind: 'folder',
    files: ['config.json', 'tokenizer.model', 'model.safetensors'],
  });
  assert.throws(() => chooseFiles(name(), ['README.md']), code('input', /no weights/));
});

test('a pair by name answers as the local one; the second time nothing is downloaded; offline works', async () => {
  publish('org/tiny', { 'tiny-q8_0.gguf': model, 'mmproj-f16.gguf': mmproj });
  const image = { width: 90, height: 60, data: new Uint8Array(90 * 60 * 3).fill(90) };
  const answer = async (source: string, more: Parameters<typeof Llava.load>[1] = {}): Promise<string> => {
    const llava = await Llava.load(source, { threads: 0, ...more });
    try {
      return await llava
        .chat(
          [
            {
              role: 'user',
              content: [
                { type: 'image', image },
                { type: 'text', text: 'what?' },
              ],
            },
          ],
          { maxTokens: 6 },
        )
        .text();
    } finally {
      await llava.dispose();
    }
  };
  const local = await answer(fixture('models/gguf/llava15-tiny/model.gguf'), { mmproj: fixture('models/gguf/llava15-tiny/mmproj.gguf') });
  const seen: string[] = [];
  assert.equal(await answer('org/tiny:q8_0', { onDownload: (file) => seen.push(file) }), local);
  assert.deepEqual([...new Set(seen)], ['org/tiny/tiny-q8_0.gguf', 'org/tiny/mmproj-f16.gguf']);

  const home = join(directory, 'env', 'models--org--tiny');
  assert.equal(readFileSync(join(home, 'refs', 'main'), 'utf8'), COMMIT);
  assert.ok(lstatSync(join(home, 'snapshots', COMMIT, 'tiny-q8_0.gguf')).isSymbolicLink());
  assert.deepEqual(readdirSync(join(home, 'blobs')).sort(), [sha256(model), sha256(mmproj)].sort());

  server.requests.length = 0;
  assert.equal(await answer('org/tiny:q8_0'), local);
  assert.deepEqual(
    server.requests.map((r) => r.line),
    ['GET /api/models/org/tiny/revision/main'],
  );
  server.files.clear();
  server.requests.length = 0;
  assert.equal(await answer('org/tiny', { offline: true }), local);
  assert.equal(server.requests.length, 0);
  await assert.rejects(Llava.load('org/other', { offline: true }), code('input', /offline/));
});

test('a URL goes through the cache, with its projector', async () => {
  server.files.set('/m/model.gguf', { bytes: model, etag: '"m"' });
  server.files.set('/m/mmproj.gguf', { bytes: mmproj, etag: '"p"' });
  for (const offline of [false, true]) {
    const llava = await Llava.load(`${server.url}/m/model.gguf`, { mmproj: new URL(`${server.url}/m/mmproj.gguf`), threads: 0, offline });
    assert.ok(llava.model.encoder);
    await llava.dispose();
    server.files.clear();
  }
  await assert.rejects(Llava.load(`${server.url}/m/other.gguf`, { offline: true }), code('input', /offline/));
});

test('small files are checked by git hashes, large ones by SHA-256', async () => {
  publish('org/dir', { 'config.json': Buffer.from('{}'), 'model.safetensors': Buffer.from('weights'), 'notes.md': Buffer.from('no') });
  const opened = await openHub(hubName('org/dir')!, options('dir'));
  assert.equal(opened.kind, 'folder');
  assert.deepEqual((await opened.folder.list()).toSorted(), ['config.json', 'model.safetensors']);
  server.files.get(`/org/dir/resolve/${COMMIT}/config.json`)!.bytes = Buffer.from('[]');
  await assert.rejects(openHub(hubName('org/dir')!, options('wrong')), code('checksum', /config\.json/));
  publish('org/bad', { 'a-q8_0.gguf': model }, { bytes: mmproj });
  await assert.rejects(openHub(hubName('org/bad')!, options('bad', { retries: 1 })), code('checksum', /SHA-256/));
  assert.ok(!existsSync(join(directory, 'bad', 'models--org--bad', 'blobs', sha256(model))));
  await assert.rejects(openHub(hubName('org/none')!, options('none')), code('input', /no such model/));
});

/** Another process that brings the model into the same cache and prints the source's size. */
function child(name: string, at: string): ChildProcess & { ended: Promise<string> } {
  const url = (file: string) => JSON.stringify(new URL(`../../src/runtime/${file}.js`, import.meta.url).href);
  const script = `import { openHub } from ${url('hubCache')}; import { hubName } from ${url('hubNames')};
    const opened = await openHub(hubName(${JSON.stringify(name)}), { directory: ${JSON.stringify(at)}, backoffMs: 1 });
    console.log(opened.source.size);`;
  const process_ = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<string>((resolve) => {
    let text = '';
    process_.stdout.on('data', (chunk) => {
      text += chunk;
    });
    process_.on('close', () => resolve(text.trim()));
  });
  return Object.assign(process_, { ended });
}

test('a process killed half-way leaves nothing that looks whole; the next one goes on where it stopped', async () => {
  const big = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
  publish('org/big', { 'big-q4_0.gguf': big }, { slow: 20 });
  const at = join(directory, 'killed');
  const home = join(at, 'models--org--big');
  const first = child('org/big', at);
  const partial = (): string | undefined =>
    existsSync(join(home, '.partial'))
      ? readdirSync(join(home, '.partial'), { recursive: true, encoding: 'utf8' }).find((f) => f.endsWith('data.partial'))
      : undefined;
  for (let i = 0; i < 500 && (partial() === undefined || lstatSync(join(home, '.partial', partial()!)).size < 200_000); i++)
    await sleep(20);
  first.kill('SIGKILL');
  await first.ended;
  const got = lstatSync(join(home, '.partial', partial()!)).size;
  assert.ok(got >= 200_000 && got < big.length, `${got}`);
  assert.ok(!existsSync(join(home, 'blobs')) && !existsSync(join(home, 'snapshots')) && !existsSync(join(home, 'refs')));
  await assert.rejects(openHub(hubName('org/big')!, { directory: at, offline: true }), code('input', /not in the cache/));

  server.files.get(`/store/${sha256(big)}`)!.slow = undefined as never;
  server.requests.length = 0;
  assert.equal(await child('org/big', at).ended, String(big.length));
  const ranges = server.requests.map((r) => /bytes=(\d+)-/.exec(r.line)?.[1]).filter((from) => from !== undefined);
  assert.ok(
    ranges.every((from) => Number(from) >= 200_000),
    ranges.join(),
  );
  assert.ok(readFileSync(join(home, 'blobs', sha256(big))).equals(big));
  assert.deepEqual(readdirSync(join(home, '.partial', 'urls')), []);
});

test('an aborted download stops at once', async () => {
  publish('org/slow', { 'slow-q4_0.gguf': new Uint8Array(2_000_000) }, { slow: 30 });
  const controller = new AbortController();
  const onDownload = () => controller.abort(new Error('enough'));
  await assert.rejects(openHub(hubName('org/slow')!, options('slow', { signal: controller.signal, onDownload })), /enough/);
});
