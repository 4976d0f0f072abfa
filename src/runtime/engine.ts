// The engine: one linear memory with what lives in it, and the runner that executes programs over it.

import { FIRST_FREE, RECORD_BYTES } from '../../assembly/program.ts';
import { InputError, MemoryError } from '../errors.ts';
import { encode, type Placement, type Plan } from '../graph/plan.ts';
import type { Cell, Dim, Storage, Tensor } from '../graph/tensor.ts';
import { Heap } from './heap.ts';
import { compileKernels, type WasmOption } from './kernels.ts';
import type { Build, Platform } from './platform.ts';
import { bestBuild } from './probe.ts';
import { InlineRunner, PoolRunner, type Runner, type RunResult } from './runner.ts';

export interface EngineOptions {
  /** Worker threads; `auto`: as many as the platform offers; 0: inline in the calling thread. Default auto. */
  readonly threads?: number | 'auto';
  /** For tests of kernels: with threads 0, deal each op to so many threads in turn. */
  readonly simulatedThreads?: number;
  /** Kernel build; default: the fastest that this engine computes rightly. */
  readonly build?: Build;
  /** Upper bound of the memory in 64 KiB pages; default 65536 (4 GiB), less where the platform refuses. */
  readonly maximumPages?: number;
  /** Kernels to take instead of the platform's: a module, bytes, a URL, or a function of the build (`pumice/inline`). */
  readonly wasm?: WasmOption;
  /** The worker file, where a bundler has moved it: a copy of `pumice/worker`. */
  readonly workerUrl?: URL | string;
}

/** A plan with an address: ready to run. */
export interface Program {
  readonly plan: Plan;
  readonly count: number;
}

interface Installed extends Program {
  address: number;
}

export class Engine {
  readonly build: Build;
  readonly runner: Runner;
  readonly heap: Heap;
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #maximumPages: number;
  #stage = 0;
  #bytes: Uint8Array;
  readonly #fixed: Map<Storage, number> = new Map();
  readonly #cells: Map<Cell | number, number> = new Map();
  /** Free words for cells: taken page by page. */
  #cellPage = { next: 0, end: 0 };
  readonly #programs: Set<Installed> = new Set();
  /** One arena serves all programs: they never run at the same time. */
  #arena = { address: 0, bytes: 0 };
  #scratch = { address: 0, bytes: 0 };

  private constructor(build: Build, runner: Runner, module: WebAssembly.Module, maximum: number) {
    this.build = build;
    this.runner = runner;
    const { memory, maximumPages } = newMemory(maximum);
    this.#module = module;
    this.#maximumPages = maximumPages;
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.heap = new Heap(memory, FIRST_FREE, maximumPages);
  }

  /** Compiles the kernels, makes the memory, starts the threads. */
  static async create(platform: Platform, options: EngineOptions = {}): Promise<Engine> {
    const build = options.build ?? platform.build ?? bestBuild();
    const module = options.wasm === undefined ? await platform.compile(build) : await compileKernels(options.wasm, build);
    const wanted = options.threads ?? 'auto';
    const threads = wanted === 'auto' ? platform.threads() : wanted;
    if (!Number.isInteger(threads) || threads < 0 || threads > 256) {
      throw new InputError(`threads: must be 'auto' or an integer of 0 (inline) to 256: got ${threads}`);
    }
    const pool = threads > 0 ? await PoolRunner.start(() => platform.spawn(options.workerUrl), threads) : null;
    const engine = new Engine(build, pool ?? new InlineRunner(options.simulatedThreads ?? 1), module, options.maximumPages ?? 65536);
    return engine.#attached();
  }

  /** Another memory on the same threads: what does not fit into one. Only one of them runs at a time; disposing of either ends both. */
  sibling(): Promise<Engine> {
    return new Engine(this.build, this.runner, this.#module, this.#maximumPages).#attached();
  }

  async #attached(): Promise<Engine> {
    this.#stage = await this.runner.attach(this.#module, this.#memory);
    return this;
  }

  get threads(): number {
    return this.runner.threads;
  }

  /** All of linear memory. Valid until the next allocation. */
  get bytes(): Uint8Array {
    if (this.#bytes.byteLength !== this.#memory.buffer.byteLength) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  /** Address of a fixed storage: gives it one at first sight. */
  address(storage: Storage): number {
    let at = this.#fixed.get(storage);
    if (at === undefined) {
      at = this.heap.allocate(storage.bytes, storage.name);
      this.#fixed.set(storage, at);
    }
    return at;
  }

  /** Gives the memory of a fixed storage back. Programs that use it must not run any more. */
  release(storage: Storage): void {
    const at = this.#fixed.get(storage);
    if (at !== undefined) this.heap.release(at, storage.bytes);
    this.#fixed.delete(storage);
  }

  /** Encodes a plan into memory. */
  install(plan: Plan): Program {
    for (const s of plan.fixed) this.address(s);
    const program: Installed = {
      plan,
      count: plan.nodes.length,
      address: this.heap.allocate(plan.nodes.length * RECORD_BYTES, `program ${plan.graph.name}`),
    };
    this.#programs.add(program);
    const arena = this.#fit(this.#arena, plan.arenaBytes, 'arena');
    const scratch = this.#fit(this.#scratch, plan.scratchBytes * this.threads, 'scratch');
    if (arena || scratch) for (const p of this.#programs) this.#encode(p);
    else this.#encode(program);
    return program;
  }

  uninstall(program: Program): void {
    const p = program as Installed;
    if (this.#programs.delete(p)) this.heap.release(p.address, p.count * RECORD_BYTES);
  }

  /** Runs a program with the inputs and cells as they stand. */
  run(program: Program, profile = false): Promise<RunResult> {
    return this.runner.run(this.#stage, (program as Installed).address, program.count, profile);
  }

  /** Runs in the calling thread without a promise; only for an engine with threads: 0. */
  runNow(program: Program): void {
    if (!(this.runner instanceof InlineRunner)) throw new InputError('runNow: needs an engine with threads: 0');
    this.runner.runNow(this.#stage, (program as Installed).address, program.count);
  }

  setCell(cell: Cell, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > cell.max) {
      throw new InputError(`cell ${cell.name}: outside its bounds: got ${value}, expected 0..${cell.max}`);
    }
    this.#words(this.cell(cell), 1)[0] = value;
  }

  getCell(cell: Cell): number {
    return this.#words(this.cell(cell), 1)[0]!;
  }

  /** Address of the word of a cell; a constant shares one word with all its equals. */
  cell(dim: Dim): number {
    let at = this.#cells.get(dim);
    if (at === undefined) {
      if (this.#cellPage.next === this.#cellPage.end) {
        const next = this.heap.allocate(4096, 'cells');
        this.#cellPage = { next, end: next + 4096 };
      }
      at = this.#cellPage.next;
      this.#cellPage.next += 4;
      this.#cells.set(dim, at);
      this.#words(at, 1)[0] = typeof dim === 'number' ? dim : 0;
    }
    return at;
  }

  /** Where the records of a program lie: for snapshots. Valid until the next installation. */
  addressOf(program: Program): number {
    return (program as Installed).address;
  }

  /** Where a tensor of a program lies. */
  locate(program: Program, tensor: Tensor): number {
    const s = tensor.storage;
    if (s.kind === 'fixed') return this.address(s) + tensor.offset;
    const offset = program.plan.offsets.get(s);
    if (offset === undefined)
      throw new InputError(`${program.plan.graph.name}: ${tensor.name} has no place in this program: name it as an output or keep it`);
    return this.#arena.address + offset + tensor.offset;
  }

  /** Copies values into an input of a program. */
  write(program: Program, input: string, data: Float32Array | Int32Array | Uint8Array): void {
    const t = program.plan.graph.inputs.get(input);
    if (!t)
      throw new InputError(`${program.plan.graph.name}: has no input ${input}: it has ${[...program.plan.graph.inputs.keys()].join(', ')}`);
    this.writeTensor(this.locate(program, t), t, data);
  }

  /** Copies values into a fixed tensor. */
  writeFixed(t: Tensor, data: Float32Array | Int32Array | Uint8Array): void {
    this.writeTensor(this.address(t.storage) + t.offset, t, data);
  }

  private writeTensor(at: number, t: Tensor, data: Float32Array | Int32Array | Uint8Array): void {
    if (data.byteLength > t.storage.bytes) {
      throw new InputError(`${t.name}: too much data: got ${data.byteLength} bytes for ${t.storage.bytes}`);
    }
    this.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  }

  /** Copy of a named result as f32. `rows` limits a result whose rows are a cell; default: the cell's value now. */
  read(program: Program, name: string, rows?: number): Float32Array {
    const { at, count } = this.#window(program, name, rows);
    return new Float32Array(this.bytes.buffer, at, count).slice();
  }

  /** Copy of a named result as i32. */
  readInts(program: Program, name: string, rows?: number): Int32Array {
    const { at, count } = this.#window(program, name, rows);
    return this.#words(at, count).slice();
  }

  async dispose(): Promise<void> {
    await this.runner.dispose();
    this.#fixed.clear();
    this.#programs.clear();
    this.#bytes = new Uint8Array(0);
  }

  #window(program: Program, name: string, rows?: number): { at: number; count: number } {
    const t = program.plan.readable.get(name);
    if (!t)
      throw new InputError(
        `${program.plan.graph.name}: ${name} cannot be read: it can read ${[...program.plan.readable.keys()].join(', ')}`,
      );
    const sizes = t.shape.map((d, i) => (i === 0 && rows !== undefined ? rows : typeof d === 'number' ? d : this.getCell(d)));
    return { at: this.locate(program, t), count: sizes.reduce((a, b) => a * b, 1) };
  }

  #words(at: number, count: number): Int32Array {
    return new Int32Array(this.bytes.buffer, at, count);
  }

  #fit(region: { address: number; bytes: number }, bytes: number, what: string): boolean {
    if (bytes <= region.bytes) return false;
    if (region.bytes) this.heap.release(region.address, region.bytes);
    region.address = this.heap.allocate(bytes, what);
    region.bytes = bytes;
    return true;
  }

  #encode(program: Installed): void {
    const placement: Placement = {
      address: (s) => (s.kind === 'fixed' ? this.address(s) : this.#arena.address + (program.plan.offsets.get(s) ?? 0)),
      cell: (d) => this.cell(d),
      scratch: this.#scratch.address,
    };
    const records = encode(program.plan, placement, this.runner instanceof PoolRunner && this.threads > 1);
    this.bytes.set(records, program.address);
  }
}

/** The largest shared memory that the platform grants: some refuse a large maximum. */
function newMemory(maximumPages: number): { memory: WebAssembly.Memory; maximumPages: number } {
  let cause: unknown;
  for (let pages = maximumPages; pages >= Math.min(maximumPages, 1024); pages >>= 1) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 16, maximum: pages, shared: true }), maximumPages: pages };
    } catch (e) {
      cause = e;
    }
  }
  throw new MemoryError(`memory: the runtime grants no shared memory of ${maximumPages} pages`, { cause });
}
