// Profiled runs: record by record, with a clock on the host's side. The kernels need no clock of their own and no other program.

import {
  ABORT,
  BARRIER,
  BARRIER_COUNT,
  BARRIER_GENERATION,
  BARRIER_SLEEPERS,
  FLAGS,
  HOST_BARRIER,
  RECORD_BYTES,
  STOP,
} from '../../assembly/program.ts';
import type { Kernels } from './runner.ts';

/** Milliseconds of one thread, by record. */
export interface ThreadTimes {
  /** Its own share of the work. */
  readonly work: Float64Array;
  /** At the barrier after it. */
  readonly wait: Float64Array;
}

/** As in assembly/barrier.ts. */
const SPINS = 20000;

/** Runs the records as one of `threads`. Where their barriers were handed to the host (handBarriers), the threads meet here. */
export function timed(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  program: number,
  count: number,
  thread: number,
  threads: number,
): { ran: number; times: ThreadTimes } {
  const words = new Int32Array(memory.buffer);
  const work = new Float64Array(count);
  const wait = new Float64Array(count);
  let start = performance.now();
  for (let i = 0; i < count; i++) {
    const record = program + i * RECORD_BYTES;
    kernels.run(record, 1, thread, threads);
    const done = performance.now();
    work[i] = done - start;
    start = done;
    if (threads === 1 || !(words[(record + FLAGS) >>> 2]! & HOST_BARRIER)) continue;
    const goOn = barrier(words, threads);
    start = performance.now();
    wait[i] = start - done;
    if (!goOn) return { ran: i + 1, times: { work, wait } };
  }
  return { ran: count, times: { work, wait } };
}

/** Times of programs that ran one after the other, as if they were one. */
export function joinTimes(parts: readonly (readonly ThreadTimes[])[]): ThreadTimes[] {
  const join = (of: (t: ThreadTimes) => Float64Array, thread: number) => Float64Array.from(parts.flatMap((p) => [...of(p[thread]!)]));
  return (parts[0] ?? []).map((_, thread) => ({ work: join((t) => t.work, thread), wait: join((t) => t.wait, thread) }));
}

/** Makes the threads of the next run meet in the host (`host`), or in the kernels again. Not while the program runs. */
export function handBarriers(memory: WebAssembly.Memory, program: number, count: number, host: boolean): void {
  const words = new Int32Array(memory.buffer);
  const [from, to] = host ? [BARRIER, HOST_BARRIER] : [HOST_BARRIER, BARRIER];
  for (let i = 0; i < count; i++) {
    const at = (program + i * RECORD_BYTES + FLAGS) >>> 2;
    if (words[at]! & from) words[at] = (words[at]! & ~from) | to;
  }
}

/** assembly/barrier.ts over the same words: the last to arrive decides for all whether the run goes on. */
function barrier(words: Int32Array, threads: number): boolean {
  const at = BARRIER_GENERATION >> 2;
  const generation = Atomics.load(words, at);
  if (Atomics.add(words, BARRIER_COUNT >> 2, 1) === threads - 1) {
    Atomics.store(words, BARRIER_COUNT >> 2, 0);
    Atomics.store(words, STOP >> 2, Atomics.load(words, ABORT >> 2));
    Atomics.add(words, at, 1);
    if (Atomics.load(words, BARRIER_SLEEPERS >> 2) !== 0) Atomics.notify(words, at);
  } else {
    for (let spins = 0; Atomics.load(words, at) === generation; ) {
      if (++spins <= SPINS) continue;
      Atomics.add(words, BARRIER_SLEEPERS >> 2, 1);
      while (Atomics.load(words, at) === generation) Atomics.wait(words, at, generation);
      Atomics.sub(words, BARRIER_SLEEPERS >> 2, 1);
    }
  }
  return Atomics.load(words, STOP >> 2) === 0;
}
