// Where the time goes: per op and per section, from the times of every record that the runner took, and the costs that the graph knows.

import type { SizeOf } from '../graph/op.ts';
import type { Program } from '../runtime/engine.ts';
import type { Programs } from '../runtime/programs.ts';
import type { RunResult } from '../runtime/runner.ts';

/** One record of one run. */
export interface Event {
  readonly program: string;
  readonly section: string;
  readonly op: string;
  /** Milliseconds since the profile began. */
  readonly start: number;
  /** By thread, waiting at the barrier included. */
  readonly ms: readonly number[];
  readonly macs: number;
  readonly bytes: number;
}

/** A sum over events with the same key. */
export interface Total {
  readonly key: string;
  readonly calls: number;
  /** Time of the slowest thread, which is what a run waits for. */
  readonly ms: number;
  readonly macs: number;
  readonly bytes: number;
}

export class Profile {
  readonly events: Event[] = [];
  readonly #programs: ReadonlySet<Programs>;
  readonly #began: number = performance.now();

  /** Attaches itself: from now on every run is timed record by record. */
  constructor(...programs: readonly Programs[]) {
    this.#programs = new Set(programs);
    for (const p of this.#programs) p.observer = (name, program, result, ms) => this.#observe(p, name, program, result, ms);
  }

  /** Back to plain runs. */
  detach(): void {
    for (const p of this.#programs) p.observer = undefined;
  }

  /** Sums by op, by section, or by program, most time first. */
  totals(by: 'op' | 'section' | 'program'): Total[] {
    const sums = new Map<string, { key: string; calls: number; ms: number; macs: number; bytes: number }>();
    for (const e of this.events) {
      const key = by === 'op' ? `${e.program}: ${e.op}` : by === 'section' ? `${e.program}: ${e.section}` : e.program;
      const sum = sums.get(key) ?? { key, calls: 0, ms: 0, macs: 0, bytes: 0 };
      sum.calls++;
      sum.ms += Math.max(...e.ms);
      sum.macs += e.macs;
      sum.bytes += e.bytes;
      sums.set(key, sum);
    }
    return [...sums.values()].sort((a, b) => b.ms - a.ms);
  }

  /** Milliseconds of each thread in all: equal numbers mean that the work was dealt evenly. */
  threadTimes(): number[] {
    const sums: number[] = [];
    for (const e of this.events) {
      e.ms.forEach((ms, i) => {
        sums[i] = (sums[i] ?? 0) + ms;
      });
    }
    return sums;
  }

  /** A table for a terminal. */
  table(by: 'op' | 'section' | 'program' = 'op'): string {
    const totals = this.totals(by);
    const all = totals.reduce((n, t) => n + t.ms, 0);
    const head = `${by.padEnd(36)} ${'calls'.padStart(7)} ${'ms'.padStart(10)} ${'share'.padStart(7)} ${'GMAC/s'.padStart(8)} ${'GB/s'.padStart(7)}`;
    const row = (t: Total) =>
      `${t.key.slice(0, 36).padEnd(36)} ${String(t.calls).padStart(7)} ${t.ms.toFixed(2).padStart(10)} ${`${((100 * t.ms) / all).toFixed(1)}%`.padStart(7)} ${rate(t.macs, t.ms).padStart(8)} ${rate(t.bytes, t.ms).padStart(7)}`;
    return [head, ...totals.map(row), ''].join('\n');
  }

  /** Events in the format of Chrome's tracing (opens in Perfetto): one track per thread. */
  trace(): string {
    const traceEvents = this.events.flatMap((e) =>
      e.ms.map((ms, thread) => ({
        name: e.op,
        cat: e.program,
        ph: 'X',
        pid: 1,
        tid: thread,
        ts: Math.round(e.start * 1000 * 1000) / 1000,
        dur: Math.round(ms * 1000 * 1000) / 1000,
        args: { section: e.section, macs: e.macs, bytes: e.bytes },
      })),
    );
    return JSON.stringify({ traceEvents, displayTimeUnit: 'ms' });
  }

  #observe({ engine }: Programs, name: string, program: Program, { times }: RunResult, ms: number): void {
    if (!times) return;
    const size: SizeOf = (d) => (typeof d === 'number' ? d : engine.getCell(d));
    let start = performance.now() - this.#began - ms;
    program.plan.nodes.forEach((n, i) => {
      const own = times.map((t) => t[i]!);
      const { macs, bytes } = n.cost(size);
      this.events.push({ program: name, section: n.section, op: n.op.name, start, ms: own, macs, bytes });
      start += Math.max(...own);
    });
  }
}

const rate = (n: number, ms: number): string => (n > 0 && ms > 0 ? (n / ms / 1e6).toFixed(2) : '-');
