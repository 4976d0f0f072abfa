// Whether a model fits a runtime, and which steps would make it fit.

import type { Checkpoint } from '../models/model.ts';
import type { Platform } from '../runtime/platform.ts';
import { type Estimate, type EstimateOptions, estimate } from './estimate.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Memory that a runtime gives, bytes: all of the machine's where stages may have many memories, what a page may take, all of an isolate on the edge. */
export const TARGETS: ReadonlyMap<string, number> = new Map([
  ['node', Number.POSITIVE_INFINITY],
  ['deno', Number.POSITIVE_INFINITY],
  ['bun', Number.POSITIVE_INFINITY],
  ['browser', 4 * GIB],
  ['workerd', 128 * MIB],
  ['edge', 128 * MIB],
]);

/** JavaScript, the module and the head of the file, which share an isolate's limit with linear memory. */
const ISOLATE = 24 * MIB;
const SMALL_CONTEXT = 1024;
/** Caches are laid out in blocks of rows. */
const ROUND = 64;

export interface Step {
  readonly change: string;
  /** Bytes after this step and those before it. */
  readonly total: number;
  readonly fits: boolean;
}

export interface Advice {
  readonly limit: number;
  readonly fits: boolean;
  /** What to change, one after the other, until it fits; none where it does already. */
  readonly steps: readonly Step[];
}

/** Room for the model on a target; `machine`: bytes of the machine's memory. */
export function limitOf(target: string, machine: number): number {
  const bytes = Math.min(TARGETS.get(target) ?? 4 * GIB, machine);
  return bytes <= GIB ? bytes - ISOLATE : bytes;
}

/** Tries what costs least first: a smaller chunk, a coarser cache, a shorter context, then smaller weights. */
export async function advise(
  platform: Platform,
  checkpoint: Checkpoint,
  options: EstimateOptions,
  now: Estimate,
  limit: number,
): Promise<Advice> {
  const fits = now.memory.total <= limit;
  const steps: Step[] = [];
  let current = now;
  let tried = options;
  const attempt = async (change: string, more: EstimateOptions): Promise<void> => {
    if (steps.at(-1)?.fits || fits) return;
    tried = { ...tried, ...more };
    const next = await estimate(platform, checkpoint, tried);
    if (next.memory.total >= current.memory.total) return;
    current = next;
    steps.push({ change, total: next.memory.total, fits: next.memory.total <= limit });
  };
  if ((tried.chunk ?? 512) > 64) await attempt('a prefill chunk of 64 rows', { chunk: 64 });
  if (tried.cacheType !== 'kv-q8') await attempt('a cache in 8 bits (--cache-type q8)', { cacheType: 'kv-q8' });
  const { cachePerRow, total } = current.memory;
  const least = Math.max(SMALL_CONTEXT, now.prefill.rows + 256);
  const rows = Math.max(least, ROUND * Math.floor((current.context - (total - limit) / cachePerRow) / ROUND));
  if (rows < current.context) await attempt(`a context of ${rows} rows (--ctx-size ${rows})`, { context: rows });
  if (!fits && !steps.at(-1)?.fits && current.weightsInFourBits < current.memory.weights) {
    const smaller = current.memory.total - current.memory.weights + current.weightsInFourBits;
    steps.push({ change: 'weights in four bits (pumice quantize --type q4_0)', total: smaller, fits: smaller <= limit });
  }
  return { limit, fits, steps };
}
