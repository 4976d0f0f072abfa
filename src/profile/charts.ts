// The numbers behind a report's charts, out of a profile.

import type { Profile, Total } from './profile.ts';

export interface ReportData {
  /** Most time first; the rest as one. */
  readonly ops: readonly { readonly key: string; readonly workMs: number; readonly waitMs: number }[];
  /** A chart per program: milliseconds by layer, in the order of the model, by kind of work. */
  readonly layers: readonly {
    readonly program: string;
    readonly layers: readonly string[];
    readonly ms: Readonly<Record<Kind, number[]>>;
  }[];
  readonly threads: readonly { readonly work: number; readonly wait: number }[];
  /** Each op with multiply-adds as a point: multiply-adds per byte, GMAC/s. */
  readonly points: readonly { readonly key: string; readonly x: number; readonly y: number; readonly kind: 'i8' | 'f32' }[];
  /** Timed runs of the programs that ran often: number of the run, milliseconds. */
  readonly runs: readonly { readonly program: string; readonly points: readonly { readonly x: number; readonly y: number }[] }[];
}

export type Kind = 'matmul' | 'attention' | 'others';

const OPS_SHOWN = 16;
/** Programs below this share of the time get no chart of their own. */
const SMALL = 0.01;
const OFTEN = 4;

const kindOf = (op: string): Kind =>
  /^(matmul|quantizeRows)/.test(op) ? 'matmul' : /^(attention|kvWrite|rope|headScores|mixHeads|softmax)/.test(op) ? 'attention' : 'others';

export function reportData(profile: Profile): ReportData {
  const ops = profile.totals('op').map(({ key, ms, waitMs }) => ({ key, workMs: ms - waitMs, waitMs }));
  const hidden = ops.slice(OPS_SHOWN);
  const sum = (of: 'workMs' | 'waitMs') => hidden.reduce((n, t) => n + t[of], 0);
  const rest = { key: 'others', workMs: sum('workMs'), waitMs: sum('waitMs') };
  return {
    ops: [...ops.slice(0, OPS_SHOWN), ...(hidden.length ? [rest] : [])],
    layers: layerCharts(profile),
    threads: profile.threadTimes(),
    points: points(profile),
    runs: runTimes(profile),
  };
}

/** Programs that take a visible share, longest first. */
function shown(profile: Profile): string[] {
  const totals = profile.totals('program');
  const all = totals.reduce((n: number, t: Total) => n + t.ms, 0);
  return totals.filter((t) => t.ms >= SMALL * all).map((t) => t.key);
}

function layerCharts(profile: Profile): ReportData['layers'] {
  return shown(profile).map((program) => {
    const sums = new Map<string, Record<Kind, number>>();
    for (const e of profile.events) {
      if (e.program !== program) continue;
      const layer = e.section.split('/')[0] || 'others';
      const sum = sums.get(layer) ?? { matmul: 0, attention: 0, others: 0 };
      sum[kindOf(e.op)] += e.ms.reduce((n, x) => n + x, 0) / e.ms.length;
      sums.set(layer, sum);
    }
    const of = (kind: Kind) => [...sums.values()].map((s) => s[kind]);
    return { program, layers: [...sums.keys()], ms: { matmul: of('matmul'), attention: of('attention'), others: of('others') } };
  });
}

function points(profile: Profile): ReportData['points'] {
  const kinds = new Map(profile.events.map((e) => [`${e.program}: ${e.op}`, e.kind]));
  return profile
    .totals('op')
    .filter((t) => t.macs > 0 && t.bytes > 0 && t.ms > 0)
    .map((t) => ({ key: t.key, x: t.macs / t.bytes, y: t.macs / t.ms / 1e6, kind: kinds.get(t.key)! }));
}

function runTimes(profile: Profile): ReportData['runs'] {
  const runs = new Map<string, { count: number; points: { x: number; y: number }[] }>();
  for (const { program, ms, timed } of profile.runTimes()) {
    const r = runs.get(program) ?? { count: 0, points: [] };
    runs.set(program, r);
    r.count++;
    if (timed) r.points.push({ x: r.count, y: ms });
  }
  return [...runs].filter(([, { points }]) => points.length >= OFTEN).map(([program, { points }]) => ({ program, points }));
}
