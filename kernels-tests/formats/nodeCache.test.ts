import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PumiceError } from '../../src/errors.ts';
import { openSource } from '../../src/formats/openSource.ts';
import { type CacheOptions, cacheDirectory, cachedFile, cachedSource, nodeSources } from '../../src/runtime/nodeCache.ts';
import { type FakeServer, fakeServer } from './server.ts';

const big = Uint8Array.from({ length: 900_001 }, (_, i) => (i * 31 + (i >> 8)) & 255);
const sum = createHash('sha256').update(big).digest('hex');
let server: FakeServer;
let directory: string;
before(async () => {
  server = await fakeServer();
  directory = mkdtempSync(join(tmpdir(), 'pumice-cache-'));
});
after(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const code = (wanted: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PumiceError, String(error));
  assert.equal(error.code, wanted, String(error));
  assert.match(error.message, message);
  return true;
};

const options = (more: CacheOptions = {}): CacheOptions => ({ directory, backoffMs: 1, retries: 3, ...more });
const folderOf = (url: string): string => join(directory, 'urls', createHash('sha256').update(url).digest('hex'));

function put(path: string, file: Parameters<FakeServer['files']['set']>[1]): string {
  server.files.set(path, file);
  server.requests.length = 0;
  return server.url + path;
}

/** Another process that fetches the URL into the same cache and prints the path. */
function child(url: string): ChildProcess & { ended: Promise<string> } {
  const script = `import { cachedFile } from ${JSON.stringify(new URL('../../src/runtime/nodeCache.js', import.meta.url).href)};
    console.log(await cachedFile(${JSON.stringify(url)}, { directory: ${JSON.stringify(directory)}, backoffMs: 1 }));`;
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

test('a file is downloaded once, with its checksum; offline takes what is there', async () => {
  const url = put('/a', { bytes: big, etag: '"1"' });
  const progress: (number | null)[][] = [];
  await assert.rejects(cachedFile(url, options({ offline: true })), code('input', /is not in the cache .* offline/));
  const path = await cachedFile(url, options({ onProgress: (...at) => progress.push(at) }));
  assert.equal(Buffer.compare(readFileSync(path), big), 0);
  assert.deepEqual(progress.at(-1), [big.length, big.length]);
  const meta = JSON.parse(readFileSync(join(folderOf(url), 'meta.json'), 'utf8'));
  assert.deepEqual({ ...meta, mtimeMs: 0 }, { url, size: big.length, sha256: sum, etag: '"1"', lastModified: null, mtimeMs: 0 });
  assert.deepEqual(readdirSync(folderOf(url)).sort(), ['data', 'meta.json']);
  assert.equal(await cachedFile(`${url}#fragment`, options({ offline: true, verify: true, sha256: sum.toUpperCase() })), path);
  assert.equal(server.requests.length, 1);
  const source = await cachedSource(url, options());
  assert.deepEqual([source.name, source.size], [url, big.length]);
  await source.close();
  const opened = await openSource(url, nodeSources(options({ offline: true })));
  assert.equal(opened.size, big.length);
  await opened.close();
  assert.equal(server.requests.length, 1);
  server.files.get('/a')!.bytes = big.subarray(1);
  assert.equal(statSync(await cachedFile(url, options({ refresh: true }))).size, big.length - 1);
});

test('a cached file that was changed is found out', async () => {
  const url = put('/b', { bytes: big, etag: '"1"' });
  const path = await cachedFile(url, options());
  const damaged = big.slice();
  damaged[5]! ^= 1;
  const { atime, mtime } = statSync(path);
  writeFileSync(path, damaged);
  await assert.rejects(cachedFile(url, options({ offline: true })), code('input', /not in the cache/));
  // Its time is put back, too: only reading all of it shows the change.
  utimesSync(path, atime, mtime);
  await assert.rejects(cachedFile(url, options({ offline: true, verify: true })), code('input', /not in the cache/));
  assert.equal(Buffer.compare(readFileSync(await cachedFile(url, options({ verify: true }))), big), 0);
  assert.equal(server.requests.length, 2);
  // Touched only: read once, then trusted again.
  utimesSync(path, 1, 1);
  await cachedFile(url, options({ offline: true }));
  assert.equal(JSON.parse(readFileSync(join(folderOf(url), 'meta.json'), 'utf8')).mtimeMs, 1000);
  writeFileSync(path, big.subarray(0, 10));
  await assert.rejects(cachedFile(url, options({ offline: true })), code('input', /not in the cache/));
});

test('a file that is not the expected one is not kept', async () => {
  const url = put('/c', { bytes: big, etag: '"1"' });
  await assert.rejects(cachedFile(url, options({ sha256: '0'.repeat(64) })), code('checksum', new RegExp(sum)));
  await assert.rejects(cachedFile(url, options({ offline: true })), code('input', /not in the cache/));
  assert.equal(Buffer.compare(readFileSync(await cachedFile(url, options({ sha256: sum }))), big), 0);
  await assert.rejects(cachedFile(`${server.url}/none`, options()), code('input', /status 404/));
  await assert.rejects(cachedFile(put('/page', { bytes: big, type: 'text/html' }), options()), code('format', /web page/));
  await assert.rejects(
    cachedFile(put('/page', { bytes: big }), options({ directory: join(folderOf(url), 'data') })),
    code('input', /set PUMICE_CACHE/),
  );
});

test('a process killed in the middle leaves a partial file, never taken for whole, and resumed', async () => {
  const url = put('/d', { bytes: big, etag: '"1"', slow: 10 });
  const partial = join(folderOf(url), 'data.partial');
  const first = child(url);
  while (!(existsSync(partial) && statSync(partial).size > 100_000)) await sleep(5);
  first.kill('SIGKILL');
  await first.ended;
  const have = statSync(partial).size;
  assert.ok(have < big.length);
  assert.ok(existsSync(join(folderOf(url), 'lock')));
  assert.ok(!existsSync(join(folderOf(url), 'data')));
  await assert.rejects(cachedFile(url, options({ offline: true })), code('input', /not in the cache/));
  delete server.files.get('/d')!.slow;
  const path = await cachedFile(url, options());
  assert.equal(Buffer.compare(readFileSync(path), big), 0);
  assert.equal(server.requests.at(-1)!.line, `GET /d bytes=${have}-`);
  assert.equal(server.requests.at(-1)!.headers['if-range'], '"1"');
  assert.equal(JSON.parse(readFileSync(join(folderOf(url), 'meta.json'), 'utf8')).sha256, sum);
  assert.deepEqual(readdirSync(folderOf(url)).sort(), ['data', 'meta.json']);
});

test('broken downloads: an aborted one goes on, one of another state or without validator begins again', async () => {
  const partly = async (url: string): Promise<number> => {
    const abort = new AbortController();
    const onProgress = (done: number): void => {
      if (done > 100_000) abort.abort();
    };
    await assert.rejects(cachedFile(url, options({ signal: abort.signal, onProgress })), { name: 'AbortError' });
    return statSync(join(folderOf(url), 'data.partial')).size;
  };
  const whole = async (url: string, want: Uint8Array): Promise<void> => {
    assert.equal(Buffer.compare(readFileSync(await cachedFile(url, options())), want), 0);
    assert.equal(
      JSON.parse(readFileSync(join(folderOf(url), 'meta.json'), 'utf8')).sha256,
      createHash('sha256').update(want).digest('hex'),
    );
  };
  for (const validator of [{ etag: '"1"' }, { lastModified: 'Mon, 23 Nov 2026 00:00:00 GMT' }]) {
    const url = put(`/e${Object.keys(validator)}`, { bytes: big, slow: 2, ...validator });
    const have = await partly(url);
    await whole(url, big);
    assert.equal(server.requests.at(-1)!.line.split(' ').at(-1), `bytes=${have}-`);
  }
  const other = big.map((byte) => byte ^ 255);
  const changing = put('/f', { bytes: big, etag: '"1"', slow: 2 });
  await partly(changing);
  put('/f', { bytes: other, etag: '"2"' });
  await whole(changing, other);
  assert.equal(server.requests.length, 1);

  for (const file of [{}, { etag: 'W/"1"' }, { whole: true }, { unsized: true }] as const) {
    const url = put(`/g${JSON.stringify(file).replaceAll(/\W/g, '')}`, { bytes: big, slow: 2, ...file });
    await partly(url);
    await whole(url, big);
  }
  // The connection breaks and the file changes under one download.
  const both = put('/h', { bytes: big, etag: '"1"', cuts: [300_000] });
  let seen = 0;
  const onProgress = (done: number): void => {
    if (seen++ === 0 && done > 0) server.files.set('/h', { bytes: other, etag: '"2"' });
  };
  assert.equal(Buffer.compare(readFileSync(await cachedFile(both, options({ onProgress }))), other), 0);
});

test('processes that want the same file at once download it once', async () => {
  const url = put('/i', { bytes: big, etag: '"1"', slow: 3 });
  const others = [child(url), child(url)];
  const paths = await Promise.all([cachedFile(url, options()), cachedFile(url, options()), ...others.map((one) => one.ended)]);
  assert.equal(new Set(paths).size, 1);
  assert.equal(Buffer.compare(readFileSync(paths[0]!), big), 0);
  assert.equal(server.requests.length, 1);
});

test('a lock whose holder is gone or silent is taken over; waiting can be aborted', async () => {
  const url = put('/j', { bytes: big, etag: '"1"' });
  await cachedFile(url, options());
  const lock = join(folderOf(url), 'lock');
  // Of another machine: only its silence tells.
  writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'x' }));
  const waiting = cachedFile(url, options({ refresh: true, signal: AbortSignal.timeout(300) }));
  await assert.rejects(waiting, { name: 'TimeoutError' });
  utimesSync(lock, 1, 1);
  await cachedFile(url, options({ refresh: true }));
  writeFileSync(lock, '');
  utimesSync(lock, 1, 1);
  writeFileSync(`${lock}.takeover`, '');
  utimesSync(`${lock}.takeover`, 1, 1);
  await cachedFile(url, options({ refresh: true }));
  assert.deepEqual(readdirSync(folderOf(url)).sort(), ['data', 'meta.json']);
});

test('where the cache is', () => {
  assert.equal(cacheDirectory({ PUMICE_CACHE: '/c', XDG_CACHE_HOME: '/x' }, 'linux', '/h'), '/c');
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: '/x' }, 'linux', '/h'), join('/x', 'pumice'));
  assert.equal(cacheDirectory({}, 'linux', '/h'), join('/h', '.cache', 'pumice'));
  assert.equal(cacheDirectory({}, 'darwin', '/h'), join('/h', 'Library', 'Caches', 'pumice'));
  assert.equal(cacheDirectory({ LOCALAPPDATA: '/l' }, 'win32', '/h'), join('/l', 'pumice', 'Cache'));
});
