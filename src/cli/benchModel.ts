// `pumice bench MODEL`: load, picture, prefill and decode of one model, by length and threads.

import { availableParallelism } from 'node:os';
import { Session } from '../generate/session.ts';
import { Llava } from '../index.ts';
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
  /** CPU time of the whole process. */
  readonly cpuMs: number;
  /** Rows or tokens per second of wall time. */
  readonly rate: number;
}

const DECODED = 16;

/** Prints a row per measurement. Lengths beyond the model's context are left out. */
export async function benchModel(path: string, o: BenchOptions): Promise<void> {
  const whole = { whole: true };
  const prompts = numbers('--prompts', o.prompts, whole);
  const contexts = numbers('--contexts', o.contexts, whole);
  const threads =
    o.threads === undefined ? Array.from({ length: availableParallelism() }, (_, i) => i + 1) : numbers('--threads', o.threads, whole);
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    if (!o.json) process.stdout.write(line(row));
  };
  if (!o.json)
    process.stdout.write(
      `${'threads'.padEnd(8)}${'what'.padEnd(32)}${'ms'.padStart(10)}${'CPU ms'.padStart(10)}${'per second'.padStart(12)}\n`,
    );
  for (const n of threads) await withThreads(path, n, { ...o, prompts, contexts }, add);
  const peak = process.resourceUsage().maxRSS / 1024;
  if (o.json) process.stdout.write(`${JSON.stringify({ model: path, node: process.version, peakMiB: peak, rows }, null, 1)}\n`);
  else process.stdout.write(`peak memory of the process: ${peak.toFixed(0)} MiB\n`);
}

async function withThreads(
  path: string,
  threads: number,
  o: { readonly mmproj?: string; readonly prompts: readonly number[]; readonly contexts: readonly number[]; readonly rounds: number },
  add: (row: Row) => void,
): Promise<void> {
  const context = Math.max(...o.prompts, ...o.contexts) + DECODED;
  let model: Llava | undefined;
  const load = await timed(1, async () => {
    model = await Llava.load(path, { threads, context, ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }) });
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
    add({ threads, what: `decode after ${n} rows`, ms: t.ms / DECODED, cpuMs: t.cpuMs / DECODED, rate: (DECODED * 1000) / t.ms });
  }
}

/** Medians over `rounds` runs, after one that warms up where there are several. */
async function timed(rounds: number, body: () => Promise<void>): Promise<{ ms: number; cpuMs: number }> {
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
  return { ms: median(ms), cpuMs: median(cpuMs) };
}

const line = (r: Row): string =>
  `${String(r.threads).padEnd(8)}${r.what.padEnd(32)}${r.ms.toFixed(2).padStart(10)}${r.cpuMs.toFixed(2).padStart(10)}${(r.rate ? r.rate.toFixed(1) : '').padStart(12)}\n`;
