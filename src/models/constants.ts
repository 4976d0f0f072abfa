// What depends on the checkpoint alone: computed once, by a program of its own, and kept in fixed memory.

import type { Graph } from '../graph/graph.ts';
import { fixedTensor } from '../graph/graph.ts';
import { plan } from '../graph/plan.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Program } from '../runtime/engine.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs } from '../runtime/programs.ts';

/** A graph whose output `constant` is the value, with what its inputs get. */
export interface ConstantGraph {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
}

/** A tensor that other graphs use like a weight. It must be filled before they run. */
export class Constant {
  readonly tensor: Tensor;
  readonly #build: () => ConstantGraph;
  readonly #filled: WeakMap<Programs, Promise<void>> = new WeakMap();

  /** f32 of `shape`; `build` is called when it is filled. */
  constructor(name: string, shape: readonly number[], build: () => ConstantGraph) {
    this.tensor = fixedTensor(name, 'f32', shape);
    this.#build = build;
  }

  /** Computes the value at the first call for an engine. */
  fill(programs: Programs, load: LoadOptions = {}): Promise<void> {
    let filled = this.#filled.get(programs);
    if (!filled) {
      filled = this.compute(programs, [], ({ engine }, program) => engine.writeFixed(this.tensor, engine.read(program, 'constant')), load);
      this.#filled.set(programs, filled);
      // A failure is the caller's to see; the next call tries again.
      filled.catch(() => this.#filled.delete(programs));
    }
    return filled;
  }

  /** Runs the graph; `visit` reads `constant` and the intermediates named by `keep`. */
  async compute(
    programs: Programs,
    keep: readonly string[],
    visit: (programs: Programs, program: Program) => void,
    load: LoadOptions = {},
  ): Promise<void> {
    const { graph, inputs } = this.#build();
    const p = plan(graph, keep);
    await programs.load(p, load);
    const program = programs.engine.install(p);
    try {
      for (const [name, data] of Object.entries(inputs)) programs.engine.write(program, name, data);
      await programs.run(program, undefined, load.signal);
      visit(programs, program);
    } finally {
      programs.engine.uninstall(program);
    }
  }
}
