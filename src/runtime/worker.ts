// A worker of the pool: waits for commands in shared memory and runs its share of a program.
// The same file serves worker_threads (Node, Deno, Bun) and web workers.

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
  timed,
} from './runner.ts';

/** Looks at the command word so often before it sleeps: tokens follow each other closely. */
const SPINS = 30000;

interface Port {
  postMessage(message: FromWorker): void;
  listen(listener: (message: ToWorker) => void): void;
}

async function port(): Promise<Port> {
  if (typeof process !== 'undefined' && process.versions?.node) {
    const { parentPort } = await import('node:worker_threads');
    return { postMessage: (m) => parentPort!.postMessage(m), listen: (f) => void parentPort!.on('message', f) };
  }
  const scope = globalThis as unknown as { postMessage(m: FromWorker): void; onmessage: ((e: MessageEvent<ToWorker>) => void) | null };
  return {
    postMessage: (m) => scope.postMessage(m),
    listen(f) {
      scope.onmessage = (e) => f(e.data);
    },
  };
}

const { postMessage, listen } = await port();
const stages: Kernels[] = [];
let commands: Int32Array = new Int32Array(8);
let thread = 0;
let threads = 1;
let generation = 0;

listen((m) => {
  if (m.kind === 'start') ({ commands, thread, threads } = m);
  else stages.push(instantiate(m.module, m.memory));
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
      const kernels = stages[commands[STAGE]!]!;
      const program = commands[PROGRAM]! >>> 0;
      const count = commands[COUNT]!;
      if (kind === PROFILE) {
        const { ran, times } = timed(kernels, program, count, thread, threads);
        postMessage({ kind: 'done', thread, ran, times: times![0]! });
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
  for (let i = 0; i < SPINS; i++) {
    const g = Atomics.load(commands, GENERATION);
    if (g !== generation) return g;
  }
  Atomics.wait(commands, GENERATION, generation);
  return Atomics.load(commands, GENERATION);
}
