// Two runs of the benches: which cases changed by more than their noise.

import { InputError } from '../src/errors.ts';
import type { Roofline } from '../src/profile/roofline.ts';
import type { Build } from '../src/runtime/platform.ts';
import type { Result } from './harness.ts';

/** What `--json` writes of one runtime. */
export interface Saved {
  /** Absent where the CPU does not say its name. */
  readonly cpu?: string | undefined;
  /** Name and version. */
  readonly runtime?: string | undefined;
  /** Of each build that ran. */
  readonly rooflines: Readonly<Partial<Record<Build, Roofline>>>;
  readonly results: readonly Result[];
}

/** Below this a difference is never called a change: two processes of the same code differ by so much in where it lies in memory. */
const FLOOR = 0.03;
/** Standard deviation of a normal distribution by its median distance from the median. */
const DEVIATION = 1.4826;
/** So many standard deviations are noise. */
const WIDTH = 3;

/** How `compare` tells a change from noise. */
export const ABOUT_NOISE: string = `noise: ${WIDTH} standard deviations of a sample of either run (each estimated as ${DEVIATION} times the median distance from the median), at least ${100 * FLOOR} %, at least what the peaks changed by; beyond it median and best must have moved the same way`;

const key = (r: Result): string => `${r.op} | ${r.case} | ${r.build}`;

/** A file that `--json` wrote. Throws InputError. */
export function parseSaved(text: string, name: string): Saved {
  const saved = JSON.parse(text) as Partial<Saved>;
  if (!Array.isArray(saved.results) || saved.results.some((r: Result) => !(r.ms > 0 && r.spread >= 0)) || !saved.rooflines)
    throw new InputError(`${name}: is no result of the benches: write one with --json and a single runtime`);
  return { cpu: saved.cpu, runtime: saved.runtime, rooflines: saved.rooflines, results: saved.results };
}

/**
 * A line for each case of both runs, then a sum. The spread of samples counts, not the error of their median: what disturbs a shared
 * machine lasts longer than a case, so a median lies anywhere among the samples.
 */
export function compare(before: Saved, now: Saved): string[] {
  const old = new Map(before.results.map((r) => [key(r), r]));
  const lines = before.cpu === now.cpu ? [] : [`another CPU: ${before.cpu ?? 'unknown'} before, ${now.cpu ?? 'unknown'} now`];
  const count = { SLOWER: 0, faster: 0, same: 0 };
  for (const r of now.results) {
    const o = old.get(key(r));
    if (!o) continue;
    const change = r.ms / o.ms - 1;
    const noise = Math.max(
      FLOOR,
      WIDTH * DEVIATION * Math.hypot(o.spread, r.spread),
      drift(before.rooflines[r.build], now.rooflines[r.build], r),
    );
    const real = Math.abs(change) > noise && Math.sign(change) === Math.sign(r.bestMs / o.bestMs - 1);
    const verdict = !real ? 'same' : change > 0 ? 'SLOWER' : 'faster';
    count[verdict]++;
    lines.push(
      `${key(r).padEnd(72)} ${`${change > 0 ? '+' : ''}${(100 * change).toFixed(1)}`.padStart(7)}% (noise ${(100 * noise).toFixed(0)}%)  ${verdict}`,
    );
  }
  return [...lines, `${count.SLOWER} slower, ${count.faster} faster, ${count.same} the same`];
}

/** How much the machine's own peak differs between the runs. */
function drift(before: Roofline | undefined, now: Roofline | undefined, { bound }: Result): number {
  return before && now ? Math.abs(now[bound] / before[bound] - 1) : 0;
}
