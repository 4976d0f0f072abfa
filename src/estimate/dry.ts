// A rehearsal: the real encoder, session and graphs run over an engine that has no room for the model and computes nothing of it.
// What remains is which programs a request runs, how large each is, and what each run costs.

import type { Graph } from '../graph/graph.ts';
import type { SizeOf } from '../graph/op.ts';
import { type Plan, plan } from '../graph/plan.ts';
import { type Cell, maxSize, type Storage } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import { Programs, type Spent } from '../runtime/programs.ts';

/** One run of a program of the model. */
export interface DryRun {
  readonly name: string;
  readonly macs: number;
  readonly bytes: number;
}

/** What a rehearsal has seen so far. */
export interface Rehearsal {
  readonly programs: Programs;
  /** Since the last look. */
  takeRuns(): DryRun[];
  /** Of every program. */
  readonly plans: ReadonlySet<Plan>;
  /** Weights, caches, tables. */
  fixed(): ReadonlySet<Storage>;
}

/** `engine`: a small one, for what works on pictures before the model. */
export function rehearse(engine: Engine, weights: readonly Weights[]): Rehearsal {
  const plans = new Set<Plan>();
  const dry = new Set<Program>();
  const cells = new Map<Cell, number>();
  let runs: DryRun[] = [];
  const value = (cell: Cell): number => cells.get(cell) ?? cell.max;
  const size: SizeOf = (d) => (typeof d === 'number' ? d : value(d));

  /** A program of the model reads weights or writes caches; others, which bring pictures to size, run. */
  const install = (p: Plan): Program => {
    plans.add(p);
    if (p.fixed.size === 0) return engine.install(p);
    const program = { plan: p, count: p.nodes.length };
    dry.add(program);
    return program;
  };
  const count = (program: Program, name: string): number =>
    maxSize((program.plan.readable.get(name)?.shape ?? []).map((d) => Math.round(size(d))));
  const own: Partial<Engine> = {
    install,
    uninstall: (program) => {
      if (!dry.has(program)) engine.uninstall(program);
    },
    write: (program, ...rest) => {
      if (!dry.has(program)) engine.write(program, ...rest);
    },
    read: (program, name, rows) => (dry.has(program) ? new Float32Array(count(program, name)) : engine.read(program, name, rows)),
    readInts: (program, name, rows) => (dry.has(program) ? new Int32Array(count(program, name)) : engine.readInts(program, name, rows)),
    writeFixed: () => {},
    setPages: () => {},
    setCell: (cell, n) => void cells.set(cell, n),
    getCell: value,
  };
  const stand = new Proxy(engine, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key as keyof Engine];
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });

  class DryPrograms extends Programs {
    readonly #known: Map<string, Program> = new Map();

    override async get(key: string, build: () => Graph, keep: readonly string[] = []): Promise<Program> {
      let program = this.#known.get(key);
      if (!program) {
        program = install(plan(build(), keep));
        this.#known.set(key, program);
      }
      return program;
    }

    override async load(): Promise<void> {}

    override async run(program: Program, spent?: Spent, signal?: AbortSignal): Promise<void> {
      signal?.throwIfAborted();
      if (!dry.has(program)) return super.run(program, spent, signal);
      let macs = 0;
      let bytes = 0;
      for (const n of program.plan.nodes) {
        const c = n.cost(size);
        macs += c.macs;
        bytes += c.bytes;
      }
      runs.push({ name: program.plan.graph.name, macs, bytes });
    }
  }

  return {
    programs: new DryPrograms(stand, weights),
    plans,
    takeRuns() {
      const taken = runs;
      runs = [];
      return taken;
    },
    fixed: () => new Set([...plans].flatMap((p) => [...p.fixed])),
  };
}
