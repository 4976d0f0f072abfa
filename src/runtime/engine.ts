// The engine: the memories of a model, and the threads that execute programs over them. One memory does for most models; a program that
// is cut into stages runs over several, one after the other, and the engine carries across what the next stage reads.

import { InputError, MemoryError } from '../errors.ts';
import type { Plan } from '../graph/plan.ts';
import { chooseCuts, type Stage, splitPlan, stageRoom } from '../graph/stages.ts';
import type { Cell, Dim, Storage, Tensor } from '../graph/tensor.ts';
import type { Heap } from './heap.ts';
import { compileKernels, type WasmOption } from './kernels.ts';
import { type Installed, Memory } from './memory.ts';
import type { Build, KernelSet, Platform } from './platform.ts';
import { bestBuild } from './probe.ts';
import { InlineRunner, PoolRunner, type Runner, type RunResult } from './runner.ts';
import { joinTimes, type ThreadTimes } from './timed.ts';

export interface EngineOptions {
  /** Worker threads; `auto`: as many as the platform offers; 0: inline in the calling thread. Default auto. */
  readonly threads?: number | 'auto';
  /** For tests of kernels: with threads 0, deal each op to so many threads in turn. */
  readonly simulatedThreads?: number;
  /** Kernel build; default: the fastest that this engine computes rightly. */
  readonly build?: Build;
  /** Which kernels its programs are made of. Default: kernels. */
  readonly set?: KernelSet;
  /** Upper bound of each memory in 64 KiB pages; default 65536 (4 GiB), less where the platform refuses. */
  readonly maximumPages?: number;
  /** Bytes of weights and caches that one memory holds before the next layers go to another. Default: what its upper bound leaves beside the arena. */
  readonly stageBytes?: number;
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

/** One stage of a program, in the memory of its number. */
interface Part extends Stage {
  readonly memory: Memory;
  readonly installed: Installed;
  /** Cells that its ops write. */
  readonly writes: readonly Cell[];
}

interface Staged extends Program {
  readonly parts: readonly Part[];
}

export class Engine {
  readonly build: Build;
  readonly runner: Runner;
  readonly #module: WebAssembly.Module;
  readonly #options: EngineOptions;
  readonly #memories: [Memory, ...Memory[]];
  /** Borders where graphs are cut; chosen for the first graph that has borders. */
  #cuts: ReadonlySet<string> | undefined;
  readonly #stages: WeakMap<Plan, readonly Stage[]> = new WeakMap();
  #stopped = false;

  private constructor(build: Build, runner: Runner, module: WebAssembly.Module, options: EngineOptions, memory: Memory) {
    this.build = build;
    this.runner = runner;
    this.#module = module;
    this.#options = options;
    this.#memories = [memory];
  }

  /** Compiles the kernels, makes the memory, starts the threads. */
  static async create(platform: Platform, options: EngineOptions = {}): Promise<Engine> {
    const build = options.build ?? platform.build ?? bestBuild();
    const module =
      options.wasm === undefined ? await platform.compile(build, options.set ?? 'kernels') : await compileKernels(options.wasm, build);
    const wanted = options.threads ?? 'auto';
    const threads = wanted === 'auto' ? platform.threads() : wanted;
    if (!Number.isInteger(threads) || threads < 0 || threads > 256) {
      throw new InputError(`threads: must be 'auto' or an integer of 0 (inline) to 256: got ${threads}`);
    }
    const { stageBytes } = options;
    if (stageBytes !== undefined && !(stageBytes > 0)) throw new InputError(`stageBytes: must be a positive number: got ${stageBytes}`);
    const pool = threads > 0 ? await PoolRunner.start(() => platform.spawn(options.workerUrl), threads) : null;
    return Engine.#over(build, pool ?? new InlineRunner(options.simulatedThreads ?? 1), module, options);
  }

  /** An engine of its own on the same threads. Only one of them runs at a time; disposing of either ends both. */
  sibling(): Promise<Engine> {
    return Engine.#over(this.build, this.runner, this.#module, this.#options);
  }

  static async #over(build: Build, runner: Runner, module: WebAssembly.Module, options: EngineOptions): Promise<Engine> {
    return new Engine(build, runner, module, options, await Memory.attach(runner, module, options.maximumPages ?? 65536));
  }

  get threads(): number {
    return this.runner.threads;
  }

  /** The first memory's contents. Valid until the next allocation. */
  get bytes(): Uint8Array {
    return this.#memories[0].bytes;
  }

  /** The first memory's pieces. */
  get heap(): Heap {
    return this.#memories[0].heap;
  }

  get memories(): readonly Memory[] {
    return this.#memories;
  }

  /** The memory where a fixed storage lies: the first one while it has no place. */
  memoryOf(storage: Storage): Memory {
    return this.#memories.find((m) => m.has(storage)) ?? this.#memories[0];
  }

  /** Address of a fixed storage in its memory: gives it one at first sight. */
  address(storage: Storage): number {
    return this.memoryOf(storage).address(storage);
  }

  /** Gives the memory of a fixed storage back. Programs that use it must not run any more. */
  release(storage: Storage): void {
    for (const m of this.#memories) m.release(storage);
  }

  /** Brings a table of pages to `count`, in its memory (`Memory.setPages`). */
  setPages(table: Storage, count: number): void {
    this.memoryOf(table).setPages(table, count);
  }

  /** Cuts a plan that passes one memory into stages, and makes their memories. The first plan whose graph has borders decides for all that follow. */
  async stage(plan: Plan): Promise<void> {
    if (!plan.graph.borders.length) return;
    this.#cuts ??= chooseCuts(plan, (stage) => this.#room(plan, this.#memories[stage]));
    const known = (cell: Cell) => this.#memories.find((m) => m.knows(cell))?.getCell(cell) ?? 0;
    while (this.#memories.length <= this.#cuts.size)
      this.#memories.push(await Memory.attach(this.runner, this.#module, this.#memories[0].maximumPages, known));
  }

  #room(plan: Plan, memory: Memory | undefined): number {
    const left = stageRoom(plan, 65536 * this.#memories[0].maximumPages, this.threads, memory?.heap.used);
    return Math.min(this.#options.stageBytes ?? left, left);
  }

  /** The stages of a plan, each with its memory. */
  stagesOf(plan: Plan): readonly (Stage & { readonly memory: Memory })[] {
    let stages = this.#stages.get(plan);
    if (!stages) {
      stages = splitPlan(plan, this.#cuts ?? new Set());
      this.#stages.set(plan, stages);
    }
    return stages.map((s, i) => ({ ...s, memory: this.#memories[i]! }));
  }

  /** Encodes a plan into memory. */
  install(plan: Plan): Program {
    const parts = this.stagesOf(plan).map((s): Part => {
      const installed = s.memory.install(s.plan);
      const writes = s.plan.nodes.flatMap((n) => n.op.writes?.(n.params as never) ?? []);
      return { ...s, installed, writes };
    });
    const program: Staged = { plan, count: plan.nodes.length, parts };
    return program;
  }

  uninstall(program: Program): void {
    for (const p of (program as Staged).parts) p.memory.uninstall(p.installed);
  }

  /** Runs a program with the inputs and cells as they stand. */
  async run(program: Program, profile = false): Promise<RunResult> {
    const { parts } = program as Staged;
    if (parts.length === 1) return parts[0]!.memory.run(parts[0]!.installed, profile);
    this.#stopped = false;
    let ran = 0;
    const times: (readonly ThreadTimes[])[] = [];
    for (const part of parts) {
      this.#enter(program as Staged, part);
      const result = await part.memory.run(part.installed, profile);
      this.#leave(part);
      ran += result.ran;
      if (result.times) times.push(result.times);
      if (this.#stopped || result.ran < part.installed.count) break;
    }
    return profile ? { ran, times: joinTimes(times) } : { ran };
  }

  /** Asks a run to stop after the op at hand. */
  stop(): void {
    this.#stopped = true;
    this.runner.stop();
  }

  /** Runs in the calling thread without a promise; only for an engine with threads: 0. */
  runNow(program: Program): void {
    for (const part of (program as Staged).parts) {
      this.#enter(program as Staged, part);
      part.memory.runNow(part.installed);
      this.#leave(part);
    }
  }

  /** Brings what a stage reads and others have made. */
  #enter(program: Staged, part: Part): void {
    for (const c of part.crossings) {
      const source = program.parts[c.from]!;
      const whole: Tensor = { name: c.storage.name, dtype: 'u8', shape: [], storage: c.storage, offset: 0, stride: 1 };
      const from = source.memory.find(source.installed, whole)!;
      const to = part.memory.find(part.installed, whole)!;
      const size = c.bytes((d) => (typeof d === 'number' ? d : this.getCell(d)));
      part.memory.bytes.set(source.memory.bytes.subarray(from, from + size), to);
    }
  }

  /** Tells the other memories what a stage has decided. */
  #leave(part: Part): void {
    if (this.#memories.length > 1) for (const cell of part.writes) this.#tell(cell, part.memory.getCell(cell));
  }

  #tell(cell: Cell, value: number): void {
    for (const m of this.#memories) if (m.knows(cell)) m.setCell(cell, value);
  }

  setCell(cell: Cell, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > cell.max) {
      throw new InputError(`cell ${cell.name}: outside its bounds: got ${value}, expected 0..${cell.max}`);
    }
    if (this.#memories.length === 1 || !this.#memories.some((m) => m.knows(cell))) this.#memories[0].setCell(cell, value);
    else this.#tell(cell, value);
  }

  /** All memories that know a cell agree on it between runs. */
  getCell(cell: Cell): number {
    return (this.#memories.find((m) => m.knows(cell)) ?? this.#memories[0]).getCell(cell);
  }

  /** Address of a cell's word in the first memory. */
  cell(dim: Dim): number {
    return this.#memories[0].cell(dim);
  }

  /** Where the records of a program of one stage lie: for snapshots. Valid until the next installation. */
  addressOf(program: Program): number {
    const { parts } = program as Staged;
    if (parts.length > 1) throw new MemoryError(`${program.plan.graph.name}: has no one address: it lies in ${parts.length} memories`);
    return parts[0]!.installed.address;
  }

  /** Where a tensor of a program lies, in the memory of the first stage that has it. */
  locate(program: Program, tensor: Tensor): number {
    return this.#places(program, tensor)[0]![1];
  }

  /** Every place of a tensor: host-written tensors may be read by several stages. */
  #places(program: Program, tensor: Tensor): readonly (readonly [Memory, number])[] {
    const places: [Memory, number][] = [];
    for (const p of (program as Staged).parts) {
      const at = p.memory.find(p.installed, tensor);
      if (at !== undefined) places.push([p.memory, at]);
    }
    if (!places.length)
      throw new InputError(`${program.plan.graph.name}: ${tensor.name} has no place in this program: name it as an output or keep it`);
    return places;
  }

  /** Copies values into an input of a program. */
  write(program: Program, input: string, data: Float32Array | Int32Array | Uint8Array): void {
    const t = program.plan.graph.inputs.get(input);
    if (!t)
      throw new InputError(`${program.plan.graph.name}: has no input ${input}: it has ${[...program.plan.graph.inputs.keys()].join(', ')}`);
    for (const [memory, at] of this.#places(program, t)) memory.write(at, t, data);
  }

  /** Copies values into a fixed tensor, wherever it lies. */
  writeFixed(t: Tensor, data: Float32Array | Int32Array | Uint8Array): void {
    const holding = this.#memories.filter((m) => m.has(t.storage));
    for (const m of holding.length ? holding : [this.#memories[0]]) m.write(m.address(t.storage) + t.offset, t, data);
  }

  /** Copy of a named result as f32. `rows` limits a result whose rows are a cell; default: the cell's value now. */
  read(program: Program, name: string, rows?: number): Float32Array {
    const { memory, at, count } = this.#window(program, name, rows);
    return new Float32Array(memory.bytes.buffer, at, count).slice();
  }

  /** Copy of a named result as i32. */
  readInts(program: Program, name: string, rows?: number): Int32Array {
    const { memory, at, count } = this.#window(program, name, rows);
    return memory.words(at, count).slice();
  }

  async dispose(): Promise<void> {
    await this.runner.dispose();
    for (const m of this.#memories) m.clear();
  }

  #window(program: Program, name: string, rows?: number): { memory: Memory; at: number; count: number } {
    const t = program.plan.readable.get(name);
    if (!t)
      throw new InputError(
        `${program.plan.graph.name}: ${name} cannot be read: it can read ${[...program.plan.readable.keys()].join(', ')}`,
      );
    const sizes = t.shape.map((d, i) => (i === 0 && rows !== undefined ? rows : typeof d === 'number' ? d : this.getCell(d)));
    const part = (program as Staged).parts.find((p) => p.plan.readable.has(name))!;
    const at = part.memory.find(part.installed, t)!;
    return { memory: part.memory, at, count: sizes.reduce((a, b) => a * b, 1) };
  }
}
