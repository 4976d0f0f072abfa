// Sums as columns: what a terminal and a page show.

import type { Total } from './profile.ts';

export interface Column {
  readonly head: string;
  /** What it means, for pages. */
  readonly about: string;
  text(t: Total, allMs: number): string;
}

const rate = (n: number, ms: number): string => (n > 0 && ms > 0 ? (n / ms / 1e6).toFixed(1) : '-');
const percent = (part: number, whole: number): string => (whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '-');

/** Bytes with a unit. */
export function bytesText(n: number): string {
  for (const [unit, size] of [
    ['TB', 1e12],
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  return `${n} B`;
}

const ALWAYS: readonly Column[] = [
  { head: 'calls', about: 'records that ran', text: (t) => String(t.calls) },
  { head: 'ms', about: 'time in all, waiting included', text: (t) => t.ms.toFixed(t.ms < 100 ? 2 : 0) },
  { head: 'share', about: 'of the time of all', text: (t, all) => percent(t.ms, all) },
  { head: 'GMAC/s', about: '10⁹ multiply-adds per second', text: (t) => rate(t.macs, t.ms) },
  { head: 'bytes', about: 'read and written, caches included', text: (t) => bytesText(t.bytes) },
  { head: 'GB/s', about: '10⁹ bytes per second', text: (t) => rate(t.bytes, t.ms) },
];
const ROOF: Column = {
  head: 'of roof',
  about: 'time at the peaks of computing or of memory by the time taken; above 100 %: the data lay in a cache',
  text: (t) => percent(t.limitMs, t.ms),
};
const THREADS: readonly Column[] = [
  { head: 'balance', about: 'work of the mean thread by work of the slowest', text: (t) => percent(t.balance, 1) },
  { head: 'wait', about: 'share of the time that threads wait for others at barriers', text: (t) => percent(t.waitMs, t.ms) },
];

const TIMED: Column = {
  head: 'timed',
  about: 'calls whose time was taken, so that the clock costs little; the others count as the next one that was',
  text: (t) => String(t.timed),
};

/** The columns that mean something: timed calls where they are not all, shares of the roofline where there is one, balance where there are threads. */
export const columnsFor = (totals: readonly Total[], roofline: boolean, threads: number): Column[] => [
  ...ALWAYS,
  ...(totals.some((t) => t.timed < t.calls) ? [TIMED] : []),
  ...(roofline ? [ROOF] : []),
  ...(threads > 1 ? THREADS : []),
];

/** Lines for a terminal, numbers to the right. */
export function textTable(name: string, totals: readonly Total[], columns: readonly Column[]): string {
  const all = totals.reduce((n, t) => n + t.ms, 0);
  const rows = [[name, ...columns.map((c) => c.head)], ...totals.map((t) => [t.key, ...columns.map((c) => c.text(t, all))])];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((r) => r[i]!.length)));
  return rows.map((r) => `${r.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}\n`).join('');
}
