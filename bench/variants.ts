// What variants of a model cost beside their base: in one process, taking turns, one round after the other; the least time of all rounds.
//
//   node build/bench/variants.js bench/variants/NAME.json [--models DIR] [--threads 1] [--rounds 3] [--json]
//
// The file says what is asked (`Comparison` below). Models are files in DIR; one that is missing there and has a `synth` is written first.
// The first variant is the base of all ratios. Work counts what was done: rows that were dropped and experts that were not chosen cost nothing.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWhole } from '../src/cli/writeFile.ts';
import type { StorageType } from '../src/formats/tensors.ts';
import { newSpent } from '../src/generate/account.ts';
import { type ImageRows, type Piece, Session } from '../src/generate/session.ts';
import { isPacked } from '../src/graph/packed.ts';
import { rowsOf } from '../src/graph/tensor.ts';
import { Llava, type LoadOptions, type PictureOptions } from '../src/index.ts';
import { synthModel } from '../src/models/synth.ts';
import type { Spent } from '../src/runtime/programs.ts';

/** What is compared. */
interface Comparison {
  /** Pixels of the picture that towers encode; without it there is none. */
  readonly picture?: { readonly width: number; readonly height: number };
  /** Rows of a picture without a tower: random numbers. */
  readonly pictureRows?: number;
  /** Rows of text after the picture; several: a table for each. */
  readonly text: number | readonly number[];
  /** Tokens of an answer begun before, behind the text: for models that run the whole sequence at every token. */
  readonly answered?: number;
  /** Tokens decoded after the prompt. */
  readonly decode: number;
  /** Only a few rows to warm up: where every run takes many seconds. */
  readonly cold?: boolean;
  /** Load one model at a time: where all of them do not fit into the machine's memory. */
  readonly apart?: boolean;
  readonly variants: readonly Variant[];
}

interface Variant {
  readonly name: string;
  /** File or folder below DIR. Variants with the same model and options of loading share it. */
  readonly model: string;
  readonly synth?: { readonly shape: string; readonly type: StorageType; readonly towerType?: StorageType };
  /** Options of `Llava.load`. */
  readonly load?: LoadOptions;
  /** Choices of the picture. */
  readonly choices?: PictureOptions;
  /** Rows of the picture, where they are not those of all. */
  readonly pictureRows?: number;
}

type Phase = 'picture' | 'prefill' | 'picture and prefill' | 'decode';

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
  readonly gflop: number;
  /** GB of weight matrices that were read (decode). */
  readonly weightGB: number;
  /** MB of the cache after it: rows that are there, and pages that they lie in. */
  readonly kvMB: number;
  readonly pagesMB: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: '.' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean' },
  },
});
const threads = Number(values.threads);
const rounds = Number(values.rounds);
const comparison = JSON.parse(await readFile(positionals[0] ?? '', 'utf8')) as Comparison;
const texts = typeof comparison.text === 'number' ? [comparison.text] : comparison.text;
/** Of phases that leave the cache alone. */
const NONE = { weightGB: 0, kvMB: 0, pagesMB: 0 };
const costs = new Map<Variant, Map<string, Cost>>(comparison.variants.map((v) => [v, new Map()]));

for (const { model, synth } of comparison.variants) {
  const path = join(values.models, model);
  if (existsSync(path) || !synth) continue;
  const file = synthModel(synth.shape, synth.type, synth.towerType);
  await writeWhole({ path, bytes: file.bytes, pieces: () => file.pieces() }, model);
}
const key = ({ model, load }: Variant): string => JSON.stringify([model, load]);
const groups = comparison.apart
  ? [...new Set(comparison.variants.map(key))].map((k) => comparison.variants.filter((v) => key(v) === k))
  : [comparison.variants];
for (const group of groups) await inTurns(group);
print();

/** Loads the models of the variants, and runs each variant once a round. The first round warms up. */
async function inTurns(variants: readonly Variant[]): Promise<void> {
  const loaded = new Map<string, { readonly llava: Llava; readonly session: Session }>();
  try {
    for (const v of variants) {
      if (loaded.has(key(v))) continue;
      const llava = await Llava.load(join(values.models, v.model), { threads, ...v.load });
      loaded.set(key(v), { llava, session: new Session(llava.programs, llava.model.decoder) });
    }
    if (comparison.cold) for (const { session } of loaded.values()) await session.prefill(Array.from({ length: 16 }, (_, i) => i));
    for (let round = comparison.cold ? 1 : 0; round <= rounds; round++) {
      for (const v of variants) {
        const { llava, session } = loaded.get(key(v))!;
        for (const text of texts)
          await measure(llava, session, v, text, (phase, cost) => round > 0 && keepLeast(v, label(phase, text), cost));
      }
    }
  } finally {
    for (const { llava } of loaded.values()) await llava.dispose();
  }
}

/** The picture is the same before every text. */
function label(phase: Phase, text: number): string {
  return phase === 'picture' || texts.length === 1 ? phase : `${phase}, ${text} rows of text`;
}

async function measure(
  llava: Llava,
  session: Session,
  v: Variant,
  textRows: number,
  done: (phase: Phase, cost: Cost) => void,
): Promise<void> {
  const { decoder, encoder } = llava.model;
  const { vocabulary, hidden } = decoder.backbone;
  const prompt: Piece[] = [];
  let seen: Pick<Cost, 'ms' | 'cpuMs' | 'gflop'> | undefined;
  if (comparison.picture && encoder) {
    const { width, height } = comparison.picture;
    const image = { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 31) >> 4) };
    let rows: Omit<ImageRows, 'key'> | undefined;
    seen = await timed(async (spent) => {
      rows = await encoder.encode(llava.vision, image, { ...v.choices, spent });
    });
    prompt.push({ ...rows!, key: v.name });
    done('picture', { ...seen, ...NONE });
  }
  const rows = v.pictureRows ?? comparison.pictureRows ?? 0;
  if (rows) prompt.push({ key: v.name, rows, features: randomRows(rows * hidden) });
  const { answered = 0 } = comparison;
  for (let i = 0; i < textRows + answered; i++) prompt.push((i * 7919) % vocabulary);

  session.truncate(0);
  const read = await timed(async (spent) => {
    await session.prefill(prompt, { spent, answered });
  });
  done('prefill', { ...read, weightGB: 0, ...cacheMB(session) });
  if (seen)
    done('picture and prefill', {
      ms: seen.ms + read.ms,
      cpuMs: seen.cpuMs + read.cpuMs,
      gflop: seen.gflop + read.gflop,
      weightGB: 0,
      ...cacheMB(session),
    });
  const steps = await timed(async (spent) => {
    for (let i = 0; i < comparison.decode; i++) await session.step((i * 104729) % vocabulary, spent);
  });
  const n = comparison.decode;
  if (n)
    done('decode', {
      ms: steps.ms / n,
      cpuMs: steps.cpuMs / n,
      gflop: steps.gflop / n,
      weightGB: (await weightBytes(llava)) / 1e9,
      ...cacheMB(session),
    });
}

function cacheMB({ kvBytes }: Session): Pick<Cost, 'kvMB' | 'pagesMB'> {
  return { kvMB: kvBytes.kept / 1e6, pagesMB: kvBytes.memory / 1e6 };
}

async function timed(body: (spent: Spent) => Promise<void>): Promise<Pick<Cost, 'ms' | 'cpuMs' | 'gflop'>> {
  const spent = newSpent();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await body(spent);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000, gflop: (2 * spent.macs) / 1e9 };
}

function keepLeast(v: Variant, phase: string, cost: Cost): void {
  // What was measured is not lost where the run is cut off.
  process.stderr.write(`${v.name}: ${phase}: ${cost.ms.toFixed(1)} ms, ${cost.gflop.toPrecision(4)} GFLOP\n`);
  const before = costs.get(v)!.get(phase);
  const least = before ? { ...cost, ms: Math.min(before.ms, cost.ms), cpuMs: Math.min(before.cpuMs, cost.cpuMs) } : cost;
  costs.get(v)!.set(phase, least);
}

/** Bytes of the matrices that the last step of decoding multiplied with. */
async function weightBytes({ engine, programs, model }: Llava): Promise<number> {
  const program = await programs.get('decode', () => model.decoder.graph('decode'));
  let bytes = 0;
  for (const { op, inputs } of program.plan.nodes) {
    const [x, w] = inputs;
    if (!op.name.startsWith('matmul') || !x || !w || !isPacked(w.dtype)) continue;
    const rows = rowsOf(x.shape);
    if ((typeof rows === 'number' ? rows : engine.getCell(rows)) > 0) bytes += w.storage.bytes;
  }
  return bytes;
}

/** Numbers of the size that projected features have, the same at each call. */
function randomRows(count: number): Float32Array {
  let s = 1;
  return Float32Array.from({ length: count }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 31 - 1;
  });
}

function print(): void {
  if (values.json) {
    const rows = [...costs].map(([{ name }, of]) => ({ name, ...Object.fromEntries(of) }));
    console.log(JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, threads, rounds, rows }, null, 1));
    return;
  }
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.versions.node}, ${threads} threads, least of ${rounds} rounds\n`);
  const [base] = comparison.variants;
  const phases = (['picture', 'prefill', 'picture and prefill', 'decode'] as const).flatMap((phase) =>
    texts.map((text) => ({ phase, name: label(phase, text) })),
  );
  for (const name of new Set(phases.map((p) => p.name))) {
    const { phase } = phases.find((p) => p.name === name)!;
    const rows = comparison.variants.filter((v) => costs.get(v)!.has(name));
    if (!rows.length) continue;
    const bytes = phase === 'decode';
    const one = costs.get(base!)!.get(name) ?? costs.get(rows[0]!)!.get(name)!;
    const head = [
      name,
      'ms',
      'CPU ms',
      'GFLOP',
      ...(bytes ? ['weight GB'] : []),
      'time ratio',
      'CPU ratio',
      bytes ? 'bytes ratio' : 'FLOP ratio',
      'CPU / work',
      ...(phase === 'picture' ? [] : ['KV MB', 'KV ratio', 'pages MB']),
    ];
    console.log(`| ${head.join(' | ')} |\n|${head.map(() => '---|').join('')}`);
    for (const v of rows) {
      const c = costs.get(v)!.get(name)!;
      const work = bytes ? c.weightGB / one.weightGB : c.gflop / one.gflop;
      const cells = [c.ms, c.cpuMs].map((x) => x.toFixed(1));
      cells.push(c.gflop.toPrecision(4), ...(bytes ? [c.weightGB.toFixed(3)] : []));
      cells.push(...[c.ms / one.ms, c.cpuMs / one.cpuMs, work, c.cpuMs / one.cpuMs / work].map((x) => x.toFixed(3)));
      if (phase !== 'picture') cells.push(c.kvMB.toFixed(1), (c.kvMB / one.kvMB).toFixed(3), c.pagesMB.toFixed(1));
      console.log(`| ${v.name} | ${cells.join(' | ')} |`);
    }
    console.log('');
  }
}
