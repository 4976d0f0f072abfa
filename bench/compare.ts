// Two runs of the benches: which cases changed by more than their noise.

import type { Result } from './harness.ts';

/** Below this a difference is never called a change: these machines are shared. */
const NOISE = 0.1;

const key = (r: Result): string => `${r.op} | ${r.case} | ${r.build}`;

/**
 * Lines for the cases of both runs. A case has changed when its median and its best moved the same way, and the median by more than the
 * spread between median and best of either run.
 */
export function compare(before: readonly Result[], now: readonly Result[]): string[] {
  const old = new Map(before.map((r) => [key(r), r]));
  return now.flatMap((r) => {
    const o = old.get(key(r));
    if (!o) return [];
    const change = r.ms / o.ms - 1;
    const best = r.bestMs / o.bestMs - 1;
    const spread = Math.max(NOISE, r.ms / r.bestMs - 1, o.ms / o.bestMs - 1);
    const verdict = Math.sign(change) === Math.sign(best) && Math.abs(change) > spread ? (change > 0 ? 'SLOWER' : 'faster') : 'same';
    return [`${key(r).padEnd(72)} ${(100 * change).toFixed(1).padStart(7)}% (noise ${(100 * spread).toFixed(0)}%)  ${verdict}`];
  });
}
