// Headless Chromium for benches: a server with the headers of cross-origin isolation, and the CPU time of all processes of the browser.

import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../src/errors.ts';

/** The part of playwright-core that is used here: it is installed with the peers or with the tools of the tests, not with the package. */
interface Playwright {
  readonly chromium: {
    launchServer(options: { executablePath: string; args: string[] }): Promise<BrowserServer>;
    connect(address: string): Promise<{ version(): string; newPage(): Promise<Page>; close(): Promise<void> }>;
  };
}
interface BrowserServer {
  wsEndpoint(): string;
  process(): { readonly pid: number };
  close(): Promise<void>;
}
interface Page {
  on(event: 'console', f: (message: { text(): string }) => void): void;
  on(event: 'pageerror', f: (error: unknown) => void): void;
  exposeFunction(name: string, f: () => Promise<Clock>): Promise<void>;
  goto(url: string): Promise<unknown>;
  waitForFunction(expression: string, given: undefined, options: { timeout: number }): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
}

/** Milliseconds: CPU time of the whole browser, and wall time. */
export interface Clock {
  readonly cpu: number;
  readonly wall: number;
}

export interface Browser {
  readonly version: string;
  clock(): Promise<Clock>;
  /**
   * Opens a page of the repository, waits until `ready` (an expression) is true there, and returns a way to call its functions:
   * `name` is an expression of a function, whose arguments and result travel as JSON. The page may call `clock()`.
   */
  page(
    path: string,
    ready: string,
    heard?: (text: string) => void,
  ): Promise<(name: string, ...given: readonly unknown[]) => Promise<unknown>>;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Milliseconds of a clock tick in /proc. */
const TICK = 10;

/** CPU milliseconds of a process and everything below it, on Linux. Processes that ended are counted in their parents. */
export function cpuOfTree(pid: number): number {
  const children = new Map<number, number[]>();
  const own = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // After the name in brackets: state, parent, ..., utime, stime, cutime, cstime.
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      own.set(Number(name), fields.slice(11, 15).reduce((n, t) => n + Number(t), 0) * TICK);
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Ended meanwhile.
    }
  }
  const sum = (p: number): number => (own.get(p) ?? 0) + (children.get(p) ?? []).reduce((n, c) => n + sum(c), 0);
  return sum(pid);
}

/** Serves the repository, and `files` (path -> file) under /files/. */
function serve(files: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
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
    if (path === undefined || size === undefined || path.endsWith(sep)) return void response.writeHead(404, headers).end();
    response.writeHead(200, { ...headers, 'content-length': size });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Folders of which one brings playwright-core. */
const TOOLS = ['.ci/tools', 'bench/peers'];

function playwright(): Playwright {
  for (const folder of TOOLS) {
    try {
      return createRequire(join(root, folder, 'package.json'))('playwright-core') as Playwright;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw e;
    }
  }
  throw new InputError(
    `chromium: playwright-core is in none of ${TOOLS.join(', ')}: run .ci/runtimes or npm run bench:peers, which install it`,
  );
}

/** Starts Chromium ($CHROMIUM, or the system's). Throws InputError where it or its driver is missing. */
export async function openBrowser(files: Readonly<Record<string, string>> = {}): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) throw new InputError(`chromium: there is no ${executablePath}: install it, or set $CHROMIUM`);
  const { chromium } = playwright();
  const instance = await chromium.launchServer({ executablePath, args: ['--no-sandbox'] });
  const browser = await chromium.connect(instance.wsEndpoint());
  const server = await serve(files);
  const clock = async (): Promise<Clock> => ({ cpu: cpuOfTree(instance.process().pid), wall: performance.now() });
  return {
    version: browser.version(),
    clock,
    async page(path, ready, heard) {
      const page = await browser.newPage();
      const said: string[] = [];
      const failed = (what: string) => (e: Error) => {
        throw new InputError(`${what}: ${e.message}\n${said.slice(-20).join('\n')}`, { cause: e });
      };
      page.on('console', (m) => {
        said.push(m.text());
        heard?.(m.text());
      });
      page.on('pageerror', (e) => said.push(String(e)));
      await page.exposeFunction('clock', clock);
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`);
      await page.waitForFunction(ready, undefined, { timeout: 20000 }).catch(failed(path));
      return (name, ...given) => page.evaluate(`${name}(...${JSON.stringify(given)})`).catch(failed(name));
    },
    async close() {
      await browser.close();
      await instance.close();
      server.close();
    },
  };
}
