// The benches in other runtimes: the same cases in each, a column per runtime.

import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { InputError } from '../src/errors.ts';
import { openBrowser } from './browser.ts';
import { parseSaved, type Saved } from './compare.ts';
import { type Result, time } from './harness.ts';
import type { Asked } from './suite.ts';

const run = promisify(execFile);

/** Runtimes that run the command line of the benches: where .ci/runtimes puts them, and arguments before the script's. */
const COMMANDS: Readonly<Record<string, { readonly tool: string; readonly args: readonly string[] }>> = {
  deno: { tool: '@deno/linux-x64-glibc/deno', args: ['run', '--quiet', '-A'] },
  bun: { tool: '@oven/bun-linux-x64/bin/bun', args: [] },
};
/** In the order of the columns. */
export const RUNTIMES: readonly string[] = ['node', ...Object.keys(COMMANDS), 'chromium'];

/** What a runtime gave, or why it gave nothing. */
export interface Column {
  readonly name: string;
  readonly saved?: Saved;
  readonly missing?: string;
}

/** Names of runtimes out of a list with commas. Throws InputError. */
export function runtimeNames(list: string): string[] {
  const names = list.split(',');
  for (const n of names) if (!RUNTIMES.includes(n)) throw new InputError(`--runtime: got ${n}, expected some of ${RUNTIMES.join()}`);
  return names;
}

/** The program of a runtime: $NODE, $DENO or $BUN, what .ci/runtimes installed, or what the PATH finds. Throws InputError. */
export function commandOf(name: string, env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const variable = name.toUpperCase();
  const { tool, args } = COMMANDS[name] ?? { tool: '', args: [] };
  const set = env[variable];
  if (set !== undefined) {
    if (!existsSync(set)) throw new InputError(`${name}: there is no ${set}, which $${variable} names`);
    return [set, ...args];
  }
  if (name === 'node') return [process.execPath];
  const installed = fileURLToPath(new URL(`../../.ci/tools/node_modules/${tool}`, import.meta.url));
  if (existsSync(installed)) return [installed, ...args];
  if (spawnSync(name, ['--version'], { env: { PATH: env.PATH } }).status === 0) return [name, ...args];
  throw new InputError(`${name}: was not found: set $${variable}, put it into the PATH, or run .ci/runtimes, which installs it`);
}

/** Runs the benches in a runtime; `args` are those of the command line. A runtime that is missing or fails is a column that says so. */
export async function inRuntime(name: string, asked: Asked, args: readonly string[]): Promise<Column> {
  try {
    if (name === 'chromium') return { name, saved: await inChromium(asked) };
    const [command, ...before] = commandOf(name, process.env);
    const script = fileURLToPath(new URL('./main.js', import.meta.url));
    const { stdout } = await run(command!, [...before, script, ...args, '--json'], { maxBuffer: 2 ** 30 });
    return { name, saved: parseSaved(stdout, name) };
  } catch (e) {
    return { name, missing: (e as Error).message.trim().split('\n').slice(0, 4).join('\n  ') };
  }
}

async function inChromium(asked: Asked): Promise<Saved> {
  const browser = await openBrowser();
  try {
    const page = await browser.page('bench/page.html', 'globalThis.bench');
    const ran = (await page('bench', asked)) as Saved;
    return { ...ran, runtime: `Chromium ${browser.version}` };
  } finally {
    await browser.close();
  }
}

/** Below this share of CPU time others had the core: a time that says little. */
const BUSY = 0.9;

/** A line per case and build: the median of each runtime with its spread, and how many times the first one's it is. */
export function runtimeTable(columns: readonly Column[]): string[] {
  const here = columns.filter((c) => c.saved !== undefined);
  const keys = new Map<string, Result>();
  for (const { saved } of here) for (const r of saved!.results) keys.set(keyOf(r), r);
  const rows = [...keys].map(([key, { op, build, case: name }]) => {
    const found = here.map(({ saved }) => saved!.results.find((r) => keyOf(r) === key));
    const first = found[0];
    const cells = found.map((r, i) => {
      if (!r) return '-';
      const ratio = i > 0 && first ? `${(r.ms / first.ms).toFixed(2)}x ` : '';
      const busy = r.cpu < BUSY ? ` (cpu ${(100 * r.cpu).toFixed(0)} %)` : '';
      return `${ratio}${time(r.ms)} +-${(100 * r.spread).toFixed(0)} %${busy}`;
    });
    return [op, build, name, ...cells];
  });
  const table = [['op', 'build', 'case', ...here.map((c) => c.name)], ...rows];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((r) => r[i]!.length)));
  return [
    ...here.map((c) => `${c.name}: ${c.saved!.runtime ?? 'unknown version'}`),
    ...(rows.length ? table.map((r) => r.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')) : []),
    ...columns.flatMap((c) => (c.missing === undefined ? [] : [`not run: ${c.missing}`])),
  ];
}

const keyOf = (r: Result): string => `${r.op} | ${r.case} | ${r.build}`;
