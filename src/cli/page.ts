// The files of the page, out of this package: scripts as they were built, kernels, the embedded model.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { pageHtml } from '../page/html.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BASE = '/pumice';
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.gguf': 'application/octet-stream',
};
/** Threads on the page need the first two; nothing but the page's own files may run or be asked for. */
const HEADERS: Readonly<Record<string, string>> = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
};

/** Answers what belongs to the page; undefined for anything else. */
export async function pageFile(request: Request, mode: 'server' | 'browser' = 'server'): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  if (pathname === '/') return new Response(pageHtml(BASE, mode), { headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' } });
  // Exactly these: no path of a request is ever joined unchecked.
  const known = new RegExp(
    `^${BASE}/(build/src/(?:[a-zA-Z0-9]+/)*[a-zA-Z0-9]+\\.js|build/wasm/kernels\\.[a-z]+\\.wasm|build/assembly/(?:[a-zA-Z0-9]+/)*[a-zA-Z0-9]+\\.js|models/pebble\\.gguf|jinja\\.js)$`,
  ).exec(pathname)?.[1];
  if (known === undefined) return undefined;
  const path = known === 'jinja.js' ? jinja() : join(ROOT, known);
  try {
    const headers = { ...HEADERS, 'content-type': TYPES[extname(path)]! };
    return new Response(extname(path) === '.js' ? linked(await readFile(path, 'utf8')) : await readFile(path), { headers });
  } catch {
    return undefined;
  }
}

const jinja = (): string =>
  join(dirname(createRequire(pathToFileURL(join(ROOT, 'package.json'))).resolve('@huggingface/jinja')), 'index.js');

/** A script with addresses in place of package names. An import map would do it for the page, but workers have none. */
const linked = (script: string): string =>
  script.replaceAll("'@huggingface/jinja'", `'${BASE}/jinja.js'`).replaceAll("'#jimp'", `'${BASE}/build/src/image/noJimp.js'`);
