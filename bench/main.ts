// npm run bench -- [--filter 'WORDS'] [--families] [--build simd|relaxed] [--time MS] [--json] [--compare OLD.json]
//                  [--runtime node,deno,bun,chromium]
//
// Runs the cases of every bench/*.bench.ts, or with --families those of families.ts; of these all in whose line every word of the filter
// stands. In each build that the runtime computes rightly, one thread. --compare reads what --json wrote. With several runtimes: a table
// with a column for each.

import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { InputError } from '../src/errors.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import type { Build } from '../src/runtime/platform.ts';
import { ABOUT_NOISE, compare, parseSaved, type Saved } from './compare.ts';
import type { Host } from './harness.ts';
import { inRuntime, runtimeNames, runtimeTable } from './runtimes.ts';
import { type Asked, runSuite } from './suite.ts';

const { values } = parseArgs({
  options: {
    filter: { type: 'string' },
    families: { type: 'boolean' },
    build: { type: 'string' },
    time: { type: 'string' },
    json: { type: 'boolean' },
    compare: { type: 'string' },
    runtime: { type: 'string' },
  },
});
if (values.build !== undefined && values.build !== 'simd' && values.build !== 'relaxed')
  throw new InputError(`--build: got ${values.build}, expected simd or relaxed`);
/** What is not the JSON. */
const say = values.json ? console.error : console.log;

const folder = await readdir(new URL('.', import.meta.url));
const asked: Asked = {
  files: values.families ? null : folder.filter((f) => f.endsWith('.bench.js')).sort(),
  words: values.filter?.split(' ') ?? [],
  build: (values.build as Build | undefined) ?? null,
  ms: Number(values.time ?? 200),
};
const names = values.runtime === undefined ? [] : runtimeNames(values.runtime);
if (values.compare && names.length > 1) throw new InputError('--compare: got several runtimes, expected one');

if (names.length) await everywhere();
else await finish(await here());

/** In this process. */
async function here(): Promise<Saved> {
  const host: Host = {
    platform: nodePlatform,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    bytes: async (url) => new Uint8Array(await readFile(url)),
  };
  const runtime = version();
  say(`${cpus()[0]?.model ?? 'unknown CPU'}, ${runtime}, one thread, medians`);
  const ran = await runSuite(host, asked, values.json ? () => {} : say);
  return { cpu: cpus()[0]?.model, runtime, ...ran };
}

/** In each runtime that was named. */
async function everywhere(): Promise<void> {
  const { filter, families, build, time } = values;
  const args = [
    ...(filter === undefined ? [] : ['--filter', filter]),
    ...(families ? ['--families'] : []),
    ...(build === undefined ? [] : ['--build', build]),
    ...(time === undefined ? [] : ['--time', time]),
  ];
  const columns = [];
  for (const name of names) {
    console.error(`${name} ...`);
    columns.push(await inRuntime(name, asked, args));
  }
  say(`${cpus()[0]?.model ?? 'unknown CPU'}, one thread, medians`);
  for (const text of runtimeTable(columns)) say(text);
  if (columns.some((c) => c.missing !== undefined)) process.exitCode = 1;
  const [only] = columns;
  if (columns.length === 1) {
    if (only!.saved) await finish({ ...only!.saved, cpu: cpus()[0]?.model });
  } else if (values.json) console.log(JSON.stringify({ cpu: cpus()[0]?.model, runtimes: columns }, null, 1));
}

/** What is written of one runtime's results, and compared. */
async function finish(saved: Saved): Promise<void> {
  if (values.json) console.log(JSON.stringify(saved, null, 1));
  if (!values.compare) return;
  for (const text of compare(parseSaved(await readFile(values.compare, 'utf8'), values.compare), saved)) say(text);
  say(ABOUT_NOISE);
}

function version(): string {
  const { bun, deno, node, v8 } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return `${deno === undefined ? `Node ${node}` : `Deno ${deno}`}, V8 ${v8}`;
}
