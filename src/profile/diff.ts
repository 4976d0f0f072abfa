// Two profiles side by side: what became faster or slower, per call.

import type { Total } from './profile.ts';

/** What `save` writes: sums by op. */
export interface SavedProfile {
  readonly version: 1;
  readonly facts: readonly string[];
  readonly ops: readonly Total[];
}

/** A table of the ops of both, by the change of their time per call; positive percentages are slower now. */
export function diffTable(before: readonly Total[], now: readonly Total[]): string {
  const old = new Map(before.map((t) => [t.key, t]));
  const perCall = (t: Total) => (1000 * t.ms) / t.calls;
  const lines = now.map((t) => {
    const o = old.get(t.key);
    const change = o ? `${(100 * (perCall(t) / perCall(o) - 1)).toFixed(1)}%` : 'new';
    return `${t.key.slice(0, 36).padEnd(36)} ${(o ? perCall(o).toFixed(2) : '-').padStart(12)} ${perCall(t).toFixed(2).padStart(12)} ${change.padStart(9)}`;
  });
  const gone = before
    .filter((t) => !now.some((n) => n.key === t.key))
    .map((t) => `${t.key.slice(0, 36).padEnd(36)} ${perCall(t).toFixed(2).padStart(12)} ${'-'.padStart(12)} ${'gone'.padStart(9)}`);
  return [
    `${'op'.padEnd(36)} ${'us/call old'.padStart(12)} ${'us/call now'.padStart(12)} ${'change'.padStart(9)}`,
    ...lines,
    ...gone,
    '',
  ].join('\n');
}
