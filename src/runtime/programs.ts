// Programs by name: built, loaded and installed at first use, the last used kept for the next.

import { PumiceError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { SizeOf } from '../graph/op.ts';
import { type Plan, plan } from '../graph/plan.ts';
import type { Weights, WeightUse } from '../graph/weights.ts';
import type { Engine, Program } from './engine.ts';
import type { LoadOptions } from './load.ts';
import type { Memory } from './memory.ts';
import type { RunResult } from './runner.ts';

/** What a run cost. */
export interface Spent {
  ms: number;
  macs: number;
  bytes: number;
}

/** Sees every run: the profiler. */
export interface RunObserver {
  /** Whether the next run of a program is to be timed record by record. */
  timed(program: Program): boolean;
  /** After a run; `ms`: as long as the caller waited. */
  ran(name: string, program: Program, result: RunResult, ms: number): void;
}

/** Programs kept by name. Variants have one for every budget or size of slice that a request asks for: hundreds, in a server's life. */
const KEPT = 32;

export class Programs {
  readonly engine: Engine;
  readonly #weights: readonly Weights[];
  readonly #known: Map<string, Program> = new Map();
  readonly #loaded: Map<Memory, Set<WeightUse>> = new Map();
  observer: RunObserver | undefined;

  constructor(engine: Engine, weights: readonly Weights[]) {
    this.engine = engine;
    this.#weights = weights;
  }

  /**
   * The program `key`; `build` makes its graph when it is new. `keep` names intermediates to keep readable.
   * Of many programs those used last are kept: ask again rather than hold one. Weights stay packed in any case.
   */
  async get(key: string, build: () => Graph, keep: readonly string[] = [], load: LoadOptions = {}): Promise<Program> {
    const name = keep.length ? `${key} keeping ${keep.join()}` : key;
    let program = this.#known.get(name);
    if (!program) {
      const p = plan(build(), keep);
      await this.engine.stage(p);
      await this.load(p, load);
      if (this.#known.size >= KEPT) this.#forget(this.#known.keys().next().value!);
      program = this.engine.install(p);
    }
    // Used last: forgotten last.
    this.#known.delete(name);
    this.#known.set(name, program);
    return program;
  }

  #forget(name: string): void {
    this.engine.uninstall(this.#known.get(name)!);
    this.#known.delete(name);
  }

  /** Loads the weights that a plan uses and that are not yet in the memory where it uses them. */
  async load(p: Plan, options: LoadOptions = {}): Promise<void> {
    const uses = this.#weights.flatMap((w) => [...w.uses]);
    const missing = this.engine.stagesOf(p).flatMap(({ memory, plan: stage }) => {
      const loaded = this.#loaded.get(memory);
      return uses.filter((use) => stage.fixed.has(use.tensor.storage) && !loaded?.has(use)).map((use) => ({ memory, use }));
    });
    if (!missing.length) return;
    const { loadWeights } = await import('./load.ts');
    await loadWeights(missing, options);
    for (const { memory, use } of missing) this.#loaded.set(memory, (this.#loaded.get(memory) ?? new Set()).add(use));
  }

  /** Runs a program and adds what it cost to `spent`. Throws the signal's reason when it stopped the run. */
  async run(program: Program, spent?: Spent, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const stop = () => this.engine.stop();
    signal?.addEventListener('abort', stop, { once: true });
    const start = performance.now();
    try {
      const result = await this.engine.run(program, this.observer?.timed(program));
      const ms = performance.now() - start;
      this.observer?.ran(program.plan.graph.name, program, result, ms);
      signal?.throwIfAborted();
      if (result.ran < program.count)
        throw new PumiceError('stopped', `${program.plan.graph.name}: was stopped after ${result.ran} of ${program.count} operations`);
      if (spent) {
        spent.ms += ms;
        const cost = this.cost(program);
        spent.macs += cost.macs;
        spent.bytes += cost.bytes;
      }
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Multiply-adds and bytes of a program with its cells as they stand. */
  cost(program: Program): { macs: number; bytes: number } {
    const size: SizeOf = (d) => (typeof d === 'number' ? d : this.engine.getCell(d));
    let macs = 0;
    let bytes = 0;
    for (const n of program.plan.nodes) {
      const c = n.cost(size);
      macs += c.macs;
      bytes += c.bytes;
    }
    return { macs, bytes };
  }
}
