// `pumice plan`: what a model takes, and whether it fits, without loading it.

import { totalmem } from 'node:os';
import { InputError } from '../errors.ts';
import { advise, limitOf } from '../estimate/advice.ts';
import { type Estimate, type EstimateOptions, estimate, type Work } from '../estimate/estimate.ts';
import { count } from '../graph/print.ts';
import { openCheckpointFrom } from '../models/open.ts';
import { nodePlatform } from '../runtime/node.ts';
import { embedded } from './embedded.ts';
import { pictureOptions } from './run.ts';

export interface PlanOptions {
  readonly image?: string;
  readonly visualTokens?: number;
  readonly slices?: number;
  readonly preResize?: number | 'none';
  readonly context?: number;
  readonly chunk?: number;
  readonly cacheType?: 'f32' | 'f16' | 'q8';
  readonly text?: number;
  readonly threads?: number;
  readonly target: string;
  readonly mmproj?: string;
  readonly tower?: string;
  readonly offline?: boolean;
  readonly json?: boolean;
}

export async function plan(model: string, o: PlanOptions): Promise<void> {
  const checkpoint = await openCheckpointFrom(nodePlatform, embedded(model), {
    ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }),
    ...(o.tower === undefined ? {} : { tower: o.tower }),
    ...(o.offline === undefined ? {} : { offline: o.offline }),
  });
  try {
    const options: EstimateOptions = {
      ...(o.image === undefined ? {} : { picture: size(o.image) }),
      ...pictureOptions(o),
      ...(o.context === undefined ? {} : { context: o.context }),
      ...(o.chunk === undefined ? {} : { chunk: o.chunk }),
      ...(o.cacheType === undefined ? {} : { cacheType: `kv-${o.cacheType}` }),
      ...(o.text === undefined ? {} : { textRows: o.text }),
      ...(o.threads === undefined ? {} : { threads: o.threads }),
    };
    const seen = await estimate(nodePlatform, checkpoint, options);
    const advice = await advise(nodePlatform, checkpoint, options, seen, limitOf(o.target, totalmem()));
    if (o.json) process.stdout.write(`${JSON.stringify({ ...seen, target: o.target, ...advice }, null, 1)}\n`);
    else process.stdout.write(`${[...lines(seen), ...verdict(o.target, seen.memory.total, advice)].join('\n')}\n`);
  } finally {
    await checkpoint.files.close();
  }
}

/** `640x480`, or `none`. */
function size(text: string): { width: number; height: number } | null {
  if (text === 'none') return null;
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
  if (width === undefined || Number(width) < 1 || Number(height) < 1)
    throw new InputError(`--image: got ${text}, width and height such as 640x480 are expected, or none`);
  return { width: Number(width), height: Number(height) };
}

const bytes = (n: number): string => (n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${(n / 2 ** 20).toFixed(1)} MiB`);
const work = ({ flops, bytes: moved }: Work): string => `${count(flops, 'FLOP')}, ${count(moved, 'B')} moved`;

function lines({ memory: m, ...e }: Estimate): string[] {
  const row = (name: string, n: number, more = '') => `  ${name.padEnd(10)} ${bytes(n).padStart(11)}${more && `   ${more}`}`;
  const arenas = Object.entries(m.arenas)
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${name} ${bytes(n)}`);
  return [
    `${e.model}: ${e.family}, ${count(e.parameters, '').trim()} parameters`,
    'memory',
    row('weights', m.weights),
    row('cache', m.cache, `${e.context} rows of ${(m.cachePerRow / 1024).toFixed(1)} KiB`),
    row('tables', m.tables),
    row('arena', m.arena, arenas.join(', ')),
    row('scratch', m.scratch),
    row('records', m.records),
    row('total', m.total, m.memories.length > 1 ? `in memories of ${m.memories.map(bytes).join(', ')}` : ''),
    'work',
    ...(e.picture
      ? [
          `  picture    ${work(e.picture)}, ${e.picture.rows} rows (${Object.entries(e.picture.runs)
            .map(([name, n]) => `${name} x ${n}`)
            .join(', ')})`,
        ]
      : []),
    `  prefill    ${work(e.prefill)}, ${e.prefill.rows} rows`,
    `  token      ${work(e.token)}`,
  ];
}

function verdict(target: string, total: number, { limit, fits, steps }: Awaited<ReturnType<typeof advise>>): string[] {
  const head = `${target}: ${bytes(total)} of ${bytes(limit)}: ${fits ? 'fits' : 'does not fit'}`;
  if (fits) return [head];
  const last = steps.at(-1);
  const end = last?.fits ? [] : ['  take a smaller model'];
  return [head, ...steps.map((s) => `  with ${s.change}: ${bytes(s.total)}${s.fits ? ', fits' : ''}`), ...end];
}
