// The hosts that need a driver: workerd, edge-runtime, Chromium; each with what a bundler made of the app in `root`.
// Usage: node hosts.mjs ROOT TOOLS. Prints one report per line.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const [root, tools] = process.argv.slice(2);
const examples = fileURLToPath(new URL('../../examples', import.meta.url));
const require = createRequire(join(tools, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const file = (name) => readFileSync(join(root, 'files', name));
const bin = (path, ...args) =>
  execFileSync(process.execPath, [join(tools, 'node_modules', path), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
const timed = async (name, run) => {
  const start = performance.now();
  const report = await run();
  console.error(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  console.log(JSON.stringify(report));
};

async function workerd() {
  writeFileSync(join(root, 'wrangler.json'), JSON.stringify({ name: 'app', main: 'edge.mjs', compatibility_date: '2026-04-01' }));
  bin('wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--outdir', 'out/wrangler');
  const { Miniflare } = await load('miniflare');
  const mf = new Miniflare({
    modulesRules: [{ type: 'CompiledWasm', include: ['**/*.wasm', '**/*.wasm?module'] }],
    modules: true,
    scriptPath: join(root, 'out/wrangler/edge.js'),
    compatibilityDate: '2026-04-01',
    serviceBindings: { FILES: (request) => new Response(file(new URL(request.url).pathname.slice(1))) },
  });
  try {
    const response = await mf.dispatchFetch('http://app/');
    if (!response.ok) throw new Error(`workerd: ${response.status} ${await response.text()}`);
    return await response.json();
  } finally {
    await mf.dispose();
  }
}

/** The example: a posted picture, cold and warm, inside what the platform allows. */
async function edgeExample() {
  for (const name of ['worker.js', 'wrangler.json']) cpSync(join(examples, 'edge', name), join(root, 'edge-example', name));
  mkdirSync(join(root, 'edge-example/assets'), { recursive: true });
  writeFileSync(join(root, 'edge-example/assets/pebble.gguf'), file('pebble.gguf'));
  const out = join(root, 'out/example');
  bin('wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--config', 'edge-example/wrangler.json', '--outdir', out);
  const script = readFileSync(join(out, 'worker.js'));
  const size =
    gzipSync(script).length +
    readdirSync(out)
      .filter((f) => f.endsWith('.wasm'))
      .reduce((n, f) => n + gzipSync(readFileSync(join(out, f))).length, 0);
  if (size > 200_000) throw new Error(`edge example: ${size} bytes compressed: at most 200 kB are allowed`);
  const { Miniflare } = await load('miniflare');
  const asked = [];
  // Where weights may lie at the edge.
  const places = {
    assets: { serviceBindings: { ASSETS: (request) => new Response(file(new URL(request.url).pathname.slice(1))) } },
    bucket: { r2Buckets: ['BUCKET'] },
    'ranged fetch': { bindings: { MODEL_URL: 'http://weights/pebble.gguf' }, outboundService: (request) => ranged(request, asked) },
  };
  const answers = new Set();
  for (const [place, bindings] of Object.entries(places)) {
    const mf = new Miniflare({
      modulesRules: [{ type: 'CompiledWasm', include: ['**/*.wasm', '**/*.wasm?module'] }],
      modules: true,
      scriptPath: join(out, 'worker.js'),
      compatibilityDate: '2026-04-01',
      inspectorPort: 0,
      ...bindings,
    });
    try {
      await mf.ready;
      const before = residentBytes();
      if (place === 'bucket') await (await mf.getR2Bucket('BUCKET')).put('pebble.gguf', file('pebble.gguf'));
      for (const state of ['cold', 'warm']) {
        const start = performance.now();
        const response = await mf.dispatchFetch('http://app/?ask=What+is+at+the+left%3F', { method: 'POST', body: file('picture.jpg') });
        const reply = await response.json();
        if (!response.ok || typeof reply.answer !== 'string') throw new Error(`edge example: ${response.status} ${JSON.stringify(reply)}`);
        answers.add(reply.answer);
        const heap = await heapBytes(await mf.getInspectorURL());
        // Linear memory is shared, so it is none of the isolate's own buffers.
        const isolate = heap.total + heap.buffers + reply.memoryBytes;
        if (isolate > 64e6) throw new Error(`edge example: ${isolate} bytes in the isolate: it has 128 MB for all requests`);
        const grown = residentBytes('VmHWM') - before;
        console.error(
          `edge example, ${place}, ${state}: ${(performance.now() - start).toFixed(0)} ms (load ${reply.loadMs}, answer ${reply.answerMs}), isolate ${MB(isolate)} (linear memory ${MB(reply.memoryBytes)}, heap ${MB(heap.total)}, buffers ${MB(heap.buffers)}), process grown by ${MB(grown)} at most, script ${(size / 1e3).toFixed(0)} kB: ${reply.answer}`,
        );
      }
    } finally {
      await mf.dispose();
    }
  }
  if (answers.size !== 1) throw new Error(`edge example: several answers: ${[...answers].join(' | ')}`);
  if (asked.length < 2) throw new Error(`edge example: the weights came in ${asked.length} requests: ranges are expected`);
}

const MB = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Memory of the workerd that miniflare started, from /proc: resident now, or with `VmHWM` at most so far. */
function residentBytes(key = 'VmRSS') {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const status = attemptRead(`/proc/${pid}/status`);
    if (/^Name:\s*workerd$/m.test(status) && Number(/^PPid:\s*(\d+)/m.exec(status)[1]) === process.pid)
      return 1024 * Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)[1]);
  }
  throw new Error('edge example: no workerd runs here');
}

/** A process may end while it is looked at. */
function attemptRead(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The isolate's heap and its buffers outside of the heap, asked of the inspector (workerd's collects no garbage when told to). */
async function heapBytes(inspector) {
  const workers = await (await fetch(new URL('/json', inspector.href.replace(/^ws/, 'http')))).json();
  const socket = new WebSocket(workers.find(({ id }) => id.startsWith('core:user')).webSocketDebuggerUrl);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const answer = new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      const { id, result } = JSON.parse(data);
      if (id === 1) resolve(result);
    };
  });
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.getHeapUsage' }));
  const usage = await answer;
  socket.close();
  return { total: usage.totalSize, buffers: usage.backingStorageSize };
}

/** A server that gives ranges of the files; `asked` collects them. */
function ranged(request, asked) {
  const bytes = file(new URL(request.url).pathname.slice(1));
  const range = request.headers.get('range');
  asked.push(range);
  const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  const part = bytes.subarray(Number(from), to === '' ? bytes.length : Number(to) + 1);
  const place = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  return new Response(part, { status: 206, headers: { 'content-range': place, 'content-type': 'application/octet-stream', etag: '"1"' } });
}

async function edgeRuntime() {
  const { EdgeRuntime } = await load('edge-runtime');
  const { build } = await load('esbuild');
  // The platform's own bundler turns `x.wasm?module` into a compiled module; here it is made from base64 before the app runs.
  const wasm = {
    name: 'wasm module',
    setup(b) {
      b.onResolve({ filter: /\.wasm\?module$/ }, (a) => ({ path: join(a.resolveDir, a.path.replace('?module', '')), namespace: 'wasm' }));
      b.onLoad({ filter: /./, namespace: 'wasm' }, (a) => ({
        contents: `export default new WebAssembly.Module(Uint8Array.from(atob('${readFileSync(a.path, 'base64')}'), (c) => c.charCodeAt(0)))`,
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(root, 'edge.mjs')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'app',
    conditions: ['edge-light'],
    plugins: [wasm],
  });
  const runtime = new EdgeRuntime();
  runtime.context.files = async (url) => new Response(file(new URL(url).pathname.slice(1)));
  runtime.evaluate(outputFiles[0].text);
  return JSON.parse(await runtime.evaluate(`run('edge-runtime', files).then((r) => JSON.stringify(r))`));
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves a folder, with the headers of cross-origin isolation or without. Files of the selection are under /files. */
function serve(folder, isolated) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = pathname.startsWith('/files/')
      ? join(root, normalize(pathname))
      : join(folder, normalize(pathname === '/' ? '/index.html' : pathname));
    const headers = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' };
    if (isolated) Object.assign(headers, { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' });
    try {
      const body = readFileSync(path);
      response.writeHead(200, headers).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** The selection on the page of a server, which is closed then. */
async function chromium(launched, name, server, threads = [0, 1, 2, 3]) {
  const page = await launched.newPage();
  const said = [];
  page.on('console', (m) => said.push(m.text()));
  page.on('pageerror', (e) => said.push(String(e)));
  try {
    await page.goto(`http://127.0.0.1:${(server.httpServer ?? server).address().port}/`);
    await page.waitForFunction(() => typeof run === 'function', undefined, { timeout: 20000 });
    return await page.evaluate(([n, t]) => run(n, t), [name, threads]);
  } catch (e) {
    throw new Error(`${name}: ${e.message}\n${said.join('\n')}`);
  } finally {
    await page.close();
    await server.close();
  }
}

/** Vite's development server over the app, with nothing configured but the headers that threads need. */
async function viteDev() {
  const { createServer: create } = await load('vite');
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  const server = await create({ root, cacheDir: 'out/vite-dev', logLevel: 'warn', server: { host: '127.0.0.1', port: 0, headers } });
  return server.listen();
}

function bundles() {
  const html = (script) => `<!doctype html><meta charset="utf-8"><title>app</title><script type="module" src="${script}"></script>`;
  writeFileSync(join(root, 'index.html'), html('./page.mjs'));
  bin('vite/bin/vite.js', 'build', '--outDir', 'out/vite', '--logLevel', 'warn');
  bin(
    'webpack/bin/webpack.js',
    '--mode',
    'production',
    '--stats',
    'errors-only',
    '--entry',
    './page.mjs',
    '--output-path',
    join(root, 'out/webpack'),
  );
  writeFileSync(join(root, 'out/webpack/index.html'), html('./main.js'));
  execFileSync(
    join(tools, 'node_modules/@esbuild/linux-x64/bin/esbuild'),
    ['inlinePage.mjs', '--bundle', '--minify', '--format=esm', '--splitting', '--outdir=out/esbuild', '--log-level=warning'],
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  writeFileSync(join(root, 'out/esbuild/index.html'), html('./inlinePage.js'));
}

rmSync(join(root, 'out'), { recursive: true, force: true });
const failures = [];
const attempt = (name, run) => timed(name, run).catch((e) => failures.push(`${name}: ${e.stack ?? e}`));
await attempt('workerd, bundled by wrangler', workerd);
await attempt('edge-runtime', edgeRuntime);
await edgeExample().catch((e) => failures.push(`edge example: ${e.stack ?? e}`));
bundles();
const { chromium: browser } = (await load('playwright-core')).default ?? (await load('playwright-core'));
const launched = await browser.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  await attempt('Chromium, bundled by vite', async () => chromium(launched, 'chromium (vite)', await serve(join(root, 'out/vite'), true)));
  await attempt("Chromium, by vite's development server", async () => chromium(launched, 'chromium (vite, dev)', await viteDev()));
  await attempt('Chromium, bundled by webpack', async () =>
    chromium(launched, 'chromium (webpack)', await serve(join(root, 'out/webpack'), true)),
  );
  await attempt('Chromium, bundled by esbuild, not isolated', async () =>
    chromium(launched, 'chromium (esbuild)', await serve(join(root, 'out/esbuild'), false), [0]),
  );
} finally {
  await launched.close();
}
for (const f of failures) console.error(f);
process.exitCode = failures.length ? 1 : 0;
