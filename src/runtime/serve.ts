// What a worker of the pool does: waits for commands in shared memory and runs its share of a program.

import {
  COUNT,
  type FromWorker,
  GENERATION,
  instantiate,
  type Kernels,
  KIND,
  LISTEN,
  PROFILE,
  PROGRAM,
  STAGE,
  type ToWorker,
} from './runner.ts';
import { timed } from './timed.ts';

/** Looks at the command word so often before it sleeps: tokens follow each other closely. */
const SPINS = 30000;

/** The worker's end of the line to the pool. */
export interface Port {
  postMessage(message: FromWorker): void;
  listen(listener: (message: ToWorker) => void): void;
}

/** Serves a pool until its worker is ended. */
export function servePool({ postMessage, listen }: Port): void {
  const stages: { kernels: Kernels; memory: WebAssembly.Memory }[] = [];
  let commands: Int32Array = new Int32Array(8);
  let thread = 0;
  let threads = 1;
  let generation = 0;

  listen((m) => {
    if (m.kind === 'start') ({ commands, thread, threads } = m);
    else stages.push({ kernels: instantiate(m.module, m.memory), memory: m.memory });
    // Commands up to here are not for this worker: the pool sends the next one when all are ready.
    generation = Atomics.load(commands, GENERATION);
    postMessage({ kind: 'ready', thread });
    if (m.kind === 'attach') serve();
  });

  /** Runs commands until one sends the worker back to its event loop. */
  function serve(): void {
    for (;;) {
      generation = next();
      const kind = commands[KIND]!;
      if (kind === LISTEN) return;
      try {
        const { kernels, memory } = stages[commands[STAGE]!]!;
        const program = commands[PROGRAM]! >>> 0;
        const count = commands[COUNT]!;
        if (kind === PROFILE) {
          const { ran, times } = timed(kernels, memory, program, count, thread, threads);
          postMessage({ kind: 'done', thread, ran, times });
        } else {
          const ran = kernels.run(program, count, thread, threads);
          if (thread === 0) postMessage({ kind: 'done', thread, ran });
        }
      } catch (e) {
        postMessage({ kind: 'error', thread, message: e instanceof Error ? e.message : String(e) });
        return;
      }
    }
  }

  function next(): number {
    for (;;) {
      for (let i = 0; i < SPINS; i++) {
        const g = Atomics.load(commands, GENERATION);
        if (g !== generation) return g;
      }
      // Being woken is no news by itself: the pool counts up and then wakes, and whoever was still looking has run that command by then.
      Atomics.wait(commands, GENERATION, generation);
    }
  }
}
