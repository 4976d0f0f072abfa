// Who executes records: inline in this thread, or a pool of workers. Both run the same program with the same result.

import { ABORT, RECORD_BYTES } from '../../assembly/program.ts';
import { MemoryError, PumiceError } from '../errors.ts';
import type { WorkerHandle } from './platform.ts';
import { handBarriers, type ThreadTimes, timed } from './timed.ts';

/** Exports of a kernel module. */
export interface Kernels {
  run(program: number, count: number, thread: number, threads: number): number;
}

export interface RunResult {
  /** Records that ran: fewer than asked when the run was stopped. */
  readonly ran: number;
  /** By thread, when profiling. */
  readonly times?: readonly ThreadTimes[];
}

export interface Runner {
  readonly threads: number;
  /** Makes a memory known. Returns its number. */
  attach(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<number>;
  run(stage: number, program: number, count: number, profile?: boolean): Promise<RunResult>;
  /** Asks a run to stop after the op at hand. Without workers a run cannot be interrupted. */
  stop(): void;
  dispose(): Promise<void>;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

/** Milliseconds of work in the calling thread before its event loop gets a turn. Browsers make a turn last 4 ms. */
const RESTED_MS = 50;

/** Runs in the calling thread. With `threads` above 1 each op is dealt to so many threads one after the other: how tests see a kernel's shares. */
export class InlineRunner implements Runner {
  readonly threads: number;
  readonly #stages: { kernels: Kernels; memory: WebAssembly.Memory }[] = [];
  #rested = 0;

  constructor(threads = 1) {
    this.threads = threads;
  }

  async attach(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<number> {
    return this.#stages.push({ kernels: instantiate(module, memory), memory }) - 1;
  }

  async run(stage: number, program: number, count: number, profile = false): Promise<RunResult> {
    const result = profile ? this.#timed(stage, program, count) : { ran: this.runNow(stage, program, count) };
    // Between runs the thread's other work gets its turn: a page draws, a server sends what is written and sees who has gone.
    if (performance.now() - this.#rested > RESTED_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#rested = performance.now();
    }
    return result;
  }

  /** The same without a promise: for benches and kernels' tests. */
  runNow(stage: number, program: number, count: number): number {
    const { kernels } = this.#stages[stage]!;
    if (this.threads === 1) return kernels.run(program, count, 0, 1);
    for (let i = 0; i < count; i++) {
      for (let t = 0; t < this.threads; t++) kernels.run(program + i * RECORD_BYTES, 1, t, this.threads);
    }
    return count;
  }

  stop(): void {}

  async dispose(): Promise<void> {
    this.#stages.length = 0;
  }

  #timed(stage: number, program: number, count: number): RunResult {
    const { kernels, memory } = this.#stages[stage]!;
    const { ran, times } = timed(kernels, memory, program, count, 0, 1);
    return { ran, times: [times] };
  }
}

// Words of the command block that pool and workers share.
export const GENERATION = 0;
export const KIND = 1;
export const STAGE = 2;
export const PROGRAM = 3;
export const COUNT = 4;
export const RUN = 1;
/** Back to the event loop, to receive a message. */
export const LISTEN = 2;
export const PROFILE = 3;

export type ToWorker =
  | { readonly kind: 'start'; readonly commands: Int32Array; readonly thread: number; readonly threads: number }
  | { readonly kind: 'attach'; readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory };
export type FromWorker =
  | { readonly kind: 'ready'; readonly thread: number }
  | { readonly kind: 'done'; readonly thread: number; readonly ran: number; readonly times?: ThreadTimes }
  | { readonly kind: 'error'; readonly thread: number; readonly message: string };

/** Runs on workers; the calling thread stays free. */
export class PoolRunner implements Runner {
  readonly threads: number;
  readonly #workers: readonly WorkerHandle[];
  readonly #commands = new Int32Array(new SharedArrayBuffer(64));
  readonly #memories: WebAssembly.Memory[] = [];
  #failure: PumiceError | undefined;
  /** Resolved by the messages of the step in progress. */
  #waiting: { left: number; times: ThreadTimes[]; ran: number; resolve(r: RunResult): void; reject(e: Error): void } | undefined;

  private constructor(workers: readonly WorkerHandle[]) {
    this.#workers = workers;
    this.threads = workers.length;
  }

  /** Null where no workers can be had. */
  static async start(spawn: () => WorkerHandle | null, threads: number): Promise<PoolRunner | null> {
    const workers: WorkerHandle[] = [];
    for (let i = 0; i < threads; i++) {
      const w = spawn();
      if (!w) return null;
      w.hold(false);
      workers.push(w);
    }
    const pool = new PoolRunner(workers);
    workers.forEach((w, thread) => {
      w.onMessage((m) => pool.#receive(m as FromWorker));
      w.onError((e) => pool.#fail(new PumiceError('worker', `worker ${thread}: ${e.message}`, { cause: e })));
      w.post({ kind: 'start', commands: pool.#commands, thread, threads } satisfies ToWorker);
    });
    await pool.#expect(threads);
    return pool;
  }

  async attach(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<number> {
    this.#command(LISTEN, 0, 0, 0);
    const ready = this.#expect(this.threads);
    for (const w of this.#workers) w.post({ kind: 'attach', module, memory } satisfies ToWorker);
    await ready;
    return this.#memories.push(memory) - 1;
  }

  run(stage: number, program: number, count: number, profile = false): Promise<RunResult> {
    const memory = this.#memories[stage];
    if (!memory) return Promise.reject(new MemoryError(`run: no memory ${stage}: attach it first`));
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    Atomics.store(new Int32Array(memory.buffer, ABORT, 1), 0, 0);
    const done = this.#expect(profile ? this.threads : 1);
    if (profile) handBarriers(memory, program, count, true);
    this.#command(profile ? PROFILE : RUN, stage, program, count);
    return profile ? done.finally(() => handBarriers(memory, program, count, false)) : done;
  }

  stop(): void {
    for (const m of this.#memories) Atomics.store(new Int32Array(m.buffer, ABORT, 1), 0, 1);
  }

  async dispose(): Promise<void> {
    this.#fail(new PumiceError('disposed', 'engine: was disposed: create another one'));
    await Promise.all(this.#workers.map((w) => w.terminate()));
    this.#memories.length = 0;
  }

  #expect(left: number): Promise<RunResult> {
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    this.#workers[0]!.hold(true);
    return new Promise((resolve, reject) => {
      this.#waiting = { left, times: [], ran: 0, resolve, reject };
    });
  }

  #refusal(): PumiceError | undefined {
    if (this.#failure) return this.#failure;
    return this.#waiting && new PumiceError('busy', 'engine: a run is in progress: await it before the next');
  }

  #command(kind: number, stage: number, program: number, count: number): void {
    const c = this.#commands;
    c[KIND] = kind;
    c[STAGE] = stage;
    c[PROGRAM] = program | 0;
    c[COUNT] = count;
    Atomics.add(c, GENERATION, 1);
    Atomics.notify(c, GENERATION);
  }

  #receive(m: FromWorker): void {
    const w = this.#waiting;
    if (m.kind === 'error') this.#fail(new PumiceError('trap', `worker ${m.thread}: ${m.message}`));
    if (!w || m.kind === 'error') return;
    if (m.kind === 'done') {
      if (m.thread === 0) w.ran = m.ran;
      if (m.times) w.times[m.thread] = m.times;
    }
    if (--w.left > 0) return;
    this.#waiting = undefined;
    // A program that is done may exit although its engine was not disposed.
    this.#workers[0]!.hold(false);
    w.resolve(w.times.length ? { ran: w.ran, times: w.times } : { ran: w.ran });
  }

  /** After a trap the other threads wait at a barrier for ever: end them all. */
  #fail(e: PumiceError): void {
    if (this.#failure) return;
    this.#failure = e;
    for (const w of this.#workers) void w.terminate();
    this.#waiting?.reject(e);
    this.#waiting = undefined;
  }
}
