// Two profiles side by side: what became faster or slower, per call.

import type { Total } from './profile.ts';

/** What `save` writes: sums by op. */
export interface SavedProfile {
  readonly version: 1;
  readonly facts: readonly string[];
  readonly ops: readonly Total[];
}

/** Below this share of both runs a change is not worth a look. */
const SMALL = 0.001;

/**
 * A table of the ops of both, most time first: microseconds per call, their change, and what the change is of the run's whole time before;
 * positive is slower now.
 */
export function diffTable(before: readonly Total[], now: readonly Total[]): string {
  const old = new Map(before.map((t) => [t.key, t]));
  const all = (totals: readonly Total[]) => totals.reduce((n, t) => n + t.ms, 0);
  const [allBefore, allNow] = [all(before), all(now)];
  const perCall = (t: Total | undefined) => (t ? (1000 * t.ms) / t.calls : undefined);
  const text = (us: number | undefined) => (us === undefined ? '-' : us.toFixed(2));
  const gone = before.filter((t) => !now.some((n) => n.key === t.key)).map((t) => ({ key: t.key, before: t, now: undefined }));
  const rows = [...now.map((t) => ({ key: t.key, before: old.get(t.key), now: t })), ...gone]
    .filter((r) => Math.max((r.before?.ms ?? 0) / allBefore, (r.now?.ms ?? 0) / allNow) >= SMALL)
    .map((r) => {
      const [a, b] = [perCall(r.before), perCall(r.now)];
      const change = a === undefined ? 'new' : b === undefined ? 'gone' : signed(100 * (b / a - 1));
      const ofAll = (100 * ((r.now?.ms ?? 0) - (r.before?.ms ?? 0))) / allBefore;
      return [r.key, text(a), text(b), change, signed(ofAll)];
    });
  const total = ['all', '', '', '', signed(100 * (allNow / allBefore - 1))];
  const lines = [['op', 'us/call old', 'us/call now', 'change', 'of the run'], ...rows, total];
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((l) => l[i]!.length)));
  return lines.map((l) => `${l.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}\n`).join('');
}

const signed = (percent: number): string => `${percent > 0 ? '+' : ''}${percent.toFixed(1)}%`;
