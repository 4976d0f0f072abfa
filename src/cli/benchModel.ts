// `pumice bench MODEL`: load, picture, prefill and decode of one model, by length and threads.

import { availableParallelism, cpus } from 'node:os';
import { Session } from '../generate/session.ts';
import { Llava } from '../index.ts';
import { bestBuild } from '../runtime/probe.ts';
import { embedded } from './embedded.ts';
import { numbers } from './numbers.ts';

export interface BenchOptions {
  readonly mmproj?: string;
  readonly prompts: string;
  readonly contexts: string;
  readonly threads?: string;
  readonly rounds: number;
  readonly json?: boolean;
}

/** One measurement: medians over the rounds. */
interface Row {
  readonly threads: number;
  readonly what: string;
  readonly ms: number;
  /** Median distance of the rounds from their median, by the median. */
  readonly spread: number;
  /** CPU time of the whole process. */
  readonly cpuMs: number;
  /** Rows or tokens per second of wall time; 0 for loading. */
  readonly rate: number;
  /** Times as fast as with the first number of threads. */
  readonly speedup: number;
}

type Times = Pick<Row, 'ms' | 'spread' | 'cpuMs'>;

const DECODED = 16;

/** Prints a row per measurement. Lengths beyond the model's context are left out, and named at the end. */
export async function benchModel(path: string, o: BenchOptions): Promise<void> {
  const whole = { whole: true };
  const prompts = numbers('--prompts', o.prompts, whole);
  const contexts = numbers('--contexts', o.contexts, whole);
  const threads =
    o.threads === undefined ? Array.from({ length: availableParallelism() }, (_, i) => i + 1) : numbers('--threads', o.threads, whole);
  const say = (text: string) => {
    if (!o.json) process.stdout.write(text);
  };
  const rows: Row[] = [];
  const add = (row: Omit<Row, 'speedup'>) => {
    const first = rows.find((r) => r.what === row.what);
    rows.push({ ...row, speedup: first ? first.ms / row.ms : 1 });
    say(line(rows.at(-1)!));
  };
  const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.versions.node}, ${bestBuild()} build`;
  say(`${machine}; medians of ${o.rounds}\n`);
  say(columns(['threads', 'what', 'ms', '+-', 'CPU ms', 'per second', `by ${threads[0]} thread${threads[0] === 1 ? '' : 's'}`]));
  let context = 0;
  for (const n of threads) context = await withThreads(path, n, { ...o, prompts, contexts }, add);
  const leftOut = [
    ...prompts.filter((n) => n > context).map((n) => `prefill ${n} rows`),
    ...contexts.filter((n) => n + DECODED > context).map((n) => `decode after ${n} rows`),
  ];
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  if (leftOut.length) say(`left out: ${leftOut.join(', ')}: the model's context is ${context} rows\n`);
  say(`peak memory of the process: ${peakMiB.toFixed(0)} MiB\n`);
  if (o.json) process.stdout.write(`${JSON.stringify({ model: path, machine, peakMiB, context, leftOut, rows }, null, 1)}\n`);
}

/** Returns the rows that the model takes. */
async function withThreads(
  path: string,
  threads: number,
  o: { readonly mmproj?: string; readonly prompts: readonly number[]; readonly contexts: readonly number[]; readonly rounds: number },
  add: (row: Omit<Row, 'speedup'>) => void,
): Promise<number> {
  const context = Math.max(...o.prompts, ...o.contexts) + DECODED;
  let model: Llava | undefined;
  const load = await timed(1, async () => {
    model = await Llava.load(embedded(path), { threads, context, ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }) });
  });
  await using llava = model!;
  add({ threads, what: 'load', ...load, rate: 0 });
  const { encoder, decoder } = llava.model;
  if (encoder) {
    const image = { width: 640, height: 480, data: Uint8Array.from({ length: 640 * 480 * 3 }, (_, i) => (i * 31) >> 4) };
    let imageRows = 0;
    const t = await timed(o.rounds, async () => {
      imageRows = (await encoder.encode(llava.vision, image)).rows;
    });
    add({ threads, what: `picture 640x480 (${imageRows} rows)`, ...t, rate: (imageRows * 1000) / t.ms });
  }
  const session = new Session(llava.programs, decoder);
  const most = decoder.backbone.context;
  const prompt = (n: number) => Array.from({ length: n }, (_, i) => (i * 7919) % decoder.backbone.vocabulary);
  for (const n of o.prompts.filter((rows) => rows <= most)) {
    const t = await timed(o.rounds, async () => {
      session.truncate(0);
      await session.prefill(prompt(n));
    });
    add({ threads, what: `prefill ${n} rows`, ...t, rate: (n * 1000) / t.ms });
  }
  for (const n of o.contexts.filter((rows) => rows + DECODED <= most)) {
    await session.prefill(prompt(n));
    const t = await timed(o.rounds, async () => {
      session.truncate(n);
      for (let i = 0; i < DECODED; i++) await session.step(i);
    });
    const { spread } = t;
    add({ threads, what: `decode after ${n} rows`, ms: t.ms / DECODED, spread, cpuMs: t.cpuMs / DECODED, rate: (DECODED * 1000) / t.ms });
  }
  return most;
}

/** Medians over `rounds` runs, after one that warms up where there are several. */
async function timed(rounds: number, body: () => Promise<void>): Promise<Times> {
  const ms: number[] = [];
  const cpuMs: number[] = [];
  for (let i = rounds > 1 ? -1 : 0; i < rounds; i++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await body();
    if (i < 0) continue;
    ms.push(performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs.push((user + system) / 1000);
  }
  const median = (x: readonly number[]) => [...x].sort((a, b) => a - b)[x.length >> 1]!;
  const middle = median(ms);
  return { ms: middle, spread: median(ms.map((x) => Math.abs(x - middle))) / middle, cpuMs: median(cpuMs) };
}

const WIDTHS = [8, 30, 11, 7, 11, 12, 13];
const columns = (cells: readonly string[]): string =>
  `${cells.map((cell, i) => (i < 2 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!))).join('')}\n`;

const line = (r: Row): string =>
  columns([
    String(r.threads),
    r.what,
    r.ms.toFixed(2),
    r.rate ? `${(100 * r.spread).toFixed(0)} %` : '',
    r.cpuMs.toFixed(2),
    r.rate ? r.rate.toFixed(1) : '',
    `${r.speedup.toFixed(2)}x`,
  ]);
