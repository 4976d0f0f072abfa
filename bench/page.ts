// The benches on a page: `bench(asked)` for the browser's driver to call. `clock` comes from there (browser.ts).

import { browserPlatform } from '../src/runtime/browser.ts';
import type { Clock } from './browser.ts';
import type { Host } from './harness.ts';
import { type Asked, type Ran, runSuite } from './suite.ts';

const page = globalThis as typeof globalThis & { clock(): Promise<Clock>; bench?: (asked: Asked) => Promise<Ran> };

const host: Host = {
  platform: browserPlatform,
  cpuMs: async () => (await page.clock()).cpu,
  bytes: async (url) => (await fetch(url)).arrayBuffer(),
};
page.bench = (asked) => runSuite(host, asked, console.log);
