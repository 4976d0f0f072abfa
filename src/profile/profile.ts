// Where the time goes: per op, per layer and per thread, from the times of records that the runner took, and the costs that the graph
// knows. While a run lasts only numbers are kept; sums are made when somebody asks. Of small programs only some runs are timed (Sampling):
// the others count with their own costs and the times of the next run that was.

import type { SizeOf } from '../graph/op.ts';
import type { Cell } from '../graph/tensor.ts';
import type { Program } from '../runtime/engine.ts';
import type { Programs } from '../runtime/programs.ts';
import type { RunResult } from '../runtime/runner.ts';
import type { ThreadTimes } from '../runtime/timed.ts';
import type { Roofline } from './roofline.ts';
import { Sampling } from './sampling.ts';

/** One record of one run. */
export interface Event {
  /** Whether its run was timed. */
  readonly timed: boolean;
  readonly program: string;
  readonly section: string;
  readonly op: string;
  /** Milliseconds since the profile began. */
  readonly start: number;
  /** By thread, waiting at the barrier included. */
  readonly ms: readonly number[];
  /** By thread: waiting at the barrier after it. */
  readonly wait: readonly number[];
  readonly macs: number;
  readonly bytes: number;
  /** Which multiply-adds: of 8-bit integers, or of floats. */
  readonly kind: 'i8' | 'f32';
}

/** A sum over events with the same key. Times are means over the threads, so that they add up to the time of the runs. */
export interface Total {
  readonly key: string;
  readonly calls: number;
  /** Calls whose time was taken. */
  readonly timed: number;
  readonly ms: number;
  /** Part of `ms`: waiting for other threads. */
  readonly waitMs: number;
  /** Work of the mean thread by work of the slowest: 1 is evenly dealt. */
  readonly balance: number;
  readonly macs: number;
  readonly bytes: number;
  /** Milliseconds at the limits of the machine; 0 without a roofline. */
  readonly limitMs: number;
}

export type Grouping = 'op' | 'section' | 'layer' | 'program';

/** A run as it was taken: `sizes` are the values of the cells that costs depend on. */
interface Run {
  readonly program: Program;
  readonly name: string;
  readonly start: number;
  /** As long as the caller waited. */
  readonly ms: number;
  /** Undefined: was not timed. */
  readonly times: readonly ThreadTimes[] | undefined;
  readonly sizes: readonly number[];
}

/** Share of a program's time that reading the clock may take. */
export const OVERHEAD = 0.005;

export class Profile {
  /** Peaks of one thread, for shares of what is possible. */
  roofline: Roofline | undefined;
  readonly #programs: ReadonlySet<Programs>;
  readonly #began: number = performance.now();
  readonly #runs: Run[] = [];
  readonly #cells: Map<Program, readonly Cell[]> = new Map();
  #events: Event[] = [];
  /** Runs that `#events` holds. */
  #summed = 0;
  readonly #sampling: Sampling;

  /** Attaches itself. `overhead`: share of a program's time that timing its records may take; Infinity times every run. */
  constructor(programs: readonly Programs[], { overhead = OVERHEAD }: { readonly overhead?: number } = {}) {
    this.#programs = new Set(programs);
    this.#sampling = new Sampling(overhead);
    for (const p of this.#programs)
      p.observer = {
        timed: (program) => this.#sampling.wants(program),
        ran: (name, program, result, ms) => this.#observe(p, name, program, result, ms),
      };
  }

  /** Back to plain runs. */
  detach(): void {
    for (const p of this.#programs) p.observer = undefined;
  }

  /** All records so far, in the order of the runs. */
  get events(): readonly Event[] {
    if (this.#summed < this.#runs.length) {
      this.#events = this.#sum();
      this.#summed = this.#runs.length;
    }
    return this.#events;
  }

  /** Threads of the runs. */
  get threads(): number {
    return this.#runs.reduce((n, r) => Math.max(n, r.times?.length ?? 1), 1);
  }

  /** Sums by op, by section, by layer (the first part of a section), or by program, most time first. */
  totals(by: Grouping): Total[] {
    const sums = new Map<string, Sum>();
    for (const e of this.events) {
      const part = by === 'op' ? e.op : by === 'section' ? e.section : by === 'layer' ? layerOf(e.section) : '';
      const key = part ? `${e.program}: ${part}` : e.program;
      const sum = sums.get(key) ?? new Sum();
      sums.set(key, sum);
      sum.add(e, this.roofline);
    }
    return [...sums].map(([key, sum]) => sum.total(key)).sort((a, b) => b.ms - a.ms);
  }

  /** Milliseconds of each thread in all. */
  threadTimes(): { work: number; wait: number }[] {
    const sums: { work: number; wait: number }[] = [];
    for (const e of this.events) {
      e.ms.forEach((ms, i) => {
        const { work, wait } = sums[i] ?? { work: 0, wait: 0 };
        sums[i] = { work: work + ms - e.wait[i]!, wait: wait + e.wait[i]! };
      });
    }
    return sums;
  }

  /** Every run, in order, begun `start` milliseconds after the profile: what the threads took, or where it was not timed the caller's wait. */
  runTimes(): { program: string; start: number; ms: number; timed: boolean }[] {
    const sum = (x: Float64Array) => x.reduce((n, v) => n + v, 0);
    return this.#runs.map(({ name, start, ms, times }) => ({
      program: name,
      start,
      ms: times ? mean(times.map((t) => sum(t.work) + sum(t.wait))) : ms,
      timed: times !== undefined,
    }));
  }

  #observe(programs: Programs, name: string, program: Program, { ran, times }: RunResult, ms: number): void {
    if (ran < program.count) return;
    this.#sampling.ran(program, readingsOf(programs, program), times !== undefined, ms);
    let cells = this.#cells.get(program);
    if (!cells) {
      cells = cellsOf(program);
      this.#cells.set(program, cells);
    }
    const sizes = cells.map((c) => programs.engine.getCell(c));
    this.#runs.push({ program, name, start: performance.now() - this.#began - ms, ms, times, sizes });
  }

  /** A run that was not timed has the times of the program's next one that was, at the end those of the last. */
  #sum(): Event[] {
    const next = new Map<Program, readonly ThreadTimes[]>();
    for (const { program, times } of this.#runs) if (times) next.set(program, times);
    const events: Event[][] = [];
    for (const run of [...this.#runs].reverse()) {
      if (run.times) next.set(run.program, run.times);
      const times = next.get(run.program);
      if (times) events.push(this.#eventsOf(run, times));
    }
    return events.reverse().flat();
  }

  #eventsOf({ program, name, start, times: taken, sizes }: Run, times: readonly ThreadTimes[]): Event[] {
    const cells = this.#cells.get(program)!;
    const size: SizeOf = (d) => (typeof d === 'number' ? d : sizes[cells.indexOf(d)]!);
    let at = start;
    return program.plan.nodes.map((n, i) => {
      const wait = times.map((t) => t.wait[i]!);
      const ms = times.map((t, k) => t.work[i]! + wait[k]!);
      const event: Event = {
        timed: taken !== undefined,
        program: name,
        section: n.section,
        op: n.op.name,
        start: at,
        ms,
        wait,
        ...n.cost(size),
        kind: n.inputs[0]?.dtype.startsWith('q8') ? 'i8' : 'f32',
      };
      at += mean(ms);
      return event;
    });
  }
}

/** Readings of the clock by one thread in a timed run: after each record, and where threads meet after each wait. */
const readingsOf = ({ engine }: Programs, program: Program): number => (engine.threads > 1 ? 2 : 1) * program.count + 1;

/** The cells that the costs of a program look at. */
function cellsOf(program: Program): Cell[] {
  const cells = new Set<Cell>();
  for (const n of program.plan.nodes) {
    n.cost((d) => {
      if (typeof d === 'number') return d;
      cells.add(d);
      return d.max;
    });
  }
  return [...cells];
}

class Sum {
  #calls = 0;
  #timed = 0;
  #ms = 0;
  #waitMs = 0;
  #slowestMs = 0;
  #macs = 0;
  #bytes = 0;
  #limitMs = 0;

  add(e: Event, roofline: Roofline | undefined): void {
    const wait = mean(e.wait);
    this.#calls++;
    if (e.timed) this.#timed++;
    this.#ms += mean(e.ms);
    this.#waitMs += wait;
    this.#slowestMs += Math.max(...e.ms.map((ms, i) => ms - e.wait[i]!));
    this.#macs += e.macs;
    this.#bytes += e.bytes;
    if (roofline) this.#limitMs += limitMs(e, roofline);
  }

  total(key: string): Total {
    const work = this.#ms - this.#waitMs;
    return {
      key,
      calls: this.#calls,
      timed: this.#timed,
      ms: this.#ms,
      waitMs: this.#waitMs,
      balance: this.#slowestMs > 0 ? work / this.#slowestMs : 1,
      macs: this.#macs,
      bytes: this.#bytes,
      limitMs: this.#limitMs,
    };
  }
}

/** The least time of a record by the peaks of all threads: the slower of computing and of reading and writing memory. */
function limitMs(e: Event, roofline: Roofline): number {
  return Math.max(e.macs / roofline[e.kind], e.bytes / roofline.memory) / 1e6 / e.ms.length;
}

const mean = (xs: readonly number[]): number => xs.reduce((n, x) => n + x, 0) / xs.length;

/** `layer 3/experts` belongs to `layer 3`; what has no section, to nothing. */
const layerOf = (section: string): string => section.split('/')[0] || 'others';
