// Headless Chromium for the peers that live in browsers: a server with the headers of cross-origin isolation, and the CPU time of
// all processes of the browser.

import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Milliseconds of a clock tick in /proc. */
const TICK = 10;

/** CPU milliseconds of a process and everything below it. Processes that ended are counted in their parents. */
export function cpuOfTree(pid) {
  const children = new Map();
  const own = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // After the name in brackets: state, parent, ..., utime, stime, cutime, cstime.
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1).split(' ');
      own.set(Number(name), fields.slice(11, 15).reduce((n, t) => n + Number(t), 0) * TICK);
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Ended meanwhile.
    }
  }
  const sum = (p) => (own.get(p) ?? 0) + (children.get(p) ?? []).reduce((n, c) => n + sum(c), 0);
  return sum(pid);
}

/** Serves the repository, and `files` (path -> file) under /files/. */
function serve(files) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = pathname.startsWith('/files/')
      ? files[pathname.slice(7)]
      : join(root, normalize(pathname).replace(/^(\.\.(\/|\\|$))+/, ''));
    const size =
      path && (path.startsWith(root) || pathname.startsWith('/files/')) ? statSync(path, { throwIfNoEntry: false })?.size : undefined;
    const headers = {
      'content-type': TYPES[extname(path ?? '')] ?? 'application/octet-stream',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
    };
    if (size === undefined || path.endsWith(sep)) return response.writeHead(404, headers).end();
    response.writeHead(200, { ...headers, 'content-length': size });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** A browser whose pages are bench/peers/page.html. `close` ends it. */
export async function openBrowser(files) {
  const server = await serve(files);
  const instance = await chromium.launchServer({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const browser = await chromium.connect(instance.wsEndpoint());
  const clock = async () => ({ cpu: cpuOfTree(instance.process().pid), wall: performance.now() });
  return {
    version: browser.version(),
    clock,
    async page() {
      const page = await browser.newPage();
      const said = [];
      page.on('console', (m) => said.push(m.text()));
      page.on('pageerror', (e) => said.push(String(e)));
      await page.exposeFunction('clock', clock);
      await page.goto(`http://127.0.0.1:${server.address().port}/bench/peers/page.html`);
      await page.waitForFunction('globalThis.peers', undefined, { timeout: 20000 }).catch((e) => {
        throw new Error(`${e.message}\n${said.join('\n')}`);
      });
      /** Calls a function of page.mjs. */
      return (name, ...given) =>
        page
          .evaluate(([n, a]) => globalThis.peers[n](...a), [name, given])
          .catch((e) => {
            throw new Error(`${name}: ${e.message}\n${said.slice(-20).join('\n')}`);
          });
    },
    async close() {
      await browser.close();
      await instance.close();
      server.close();
    },
  };
}
