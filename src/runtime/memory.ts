// One linear memory and what lives in it: weights, caches, tables, cells, programs, an arena.

import { FIRST_FREE, RECORD_BYTES } from '../../assembly/program.ts';
import { InputError, MemoryError } from '../errors.ts';
import { encode, type Placement, type Plan } from '../graph/plan.ts';
import type { Cell, Dim, Storage, Tensor } from '../graph/tensor.ts';
import { Heap } from './heap.ts';
import { InlineRunner, PoolRunner, type Runner, type RunResult } from './runner.ts';

/** A plan with an address. */
export interface Installed {
  readonly plan: Plan;
  readonly count: number;
  readonly address: number;
}

export class Memory {
  readonly heap: Heap;
  /** What the platform has granted. */
  readonly maximumPages: number;
  readonly #runner: Runner;
  readonly #initial: (cell: Cell) => number;
  readonly #memory: WebAssembly.Memory;
  #stage = 0;
  #bytes: Uint8Array;
  #words: Int32Array = new Int32Array(0);
  readonly #fixed: Map<Storage, number> = new Map();
  /** Addresses in each table of pages. */
  readonly #pages: Map<Storage, number[]> = new Map();
  readonly #cells: Map<Cell | number, number> = new Map();
  /** Free words for cells: taken page by page. */
  #cellPage = { next: 0, end: 0 };
  readonly #freeCells: number[] = [];
  readonly #programs: Set<Installed> = new Set();
  /** One arena serves all programs: they never run at the same time. */
  #arena = { address: 0, bytes: 0 };
  #scratch = { address: 0, bytes: 0 };

  private constructor(runner: Runner, maximum: number, initial: (cell: Cell) => number) {
    const { memory, maximumPages } = newMemory(maximum);
    this.#runner = runner;
    this.#initial = initial;
    this.maximumPages = maximumPages;
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.heap = new Heap(memory, FIRST_FREE, maximumPages);
  }

  /** A memory that the runner's threads know. A cell begins with `initial` it. */
  static async attach(
    runner: Runner,
    module: WebAssembly.Module,
    maximumPages: number,
    initial: (cell: Cell) => number = () => 0,
  ): Promise<Memory> {
    const m = new Memory(runner, maximumPages, initial);
    m.#stage = await runner.attach(module, m.#memory);
    return m;
  }

  /** All of linear memory. Valid until the next allocation. */
  get bytes(): Uint8Array {
    if (this.#bytes.byteLength !== this.#memory.buffer.byteLength) this.#bytes = new Uint8Array(this.#memory.buffer);
    return this.#bytes;
  }

  /** Has the fixed storage a place here? */
  has(storage: Storage): boolean {
    return this.#fixed.has(storage);
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
    if (at === undefined) return;
    if (storage.pageBytes !== undefined) this.setPages(storage, 0);
    this.heap.release(at, storage.bytes);
    this.#fixed.delete(storage);
  }

  /** Pages whose addresses a table holds. */
  pages(table: Storage): readonly number[] {
    return this.#pages.get(table) ?? [];
  }

  /** Brings a table to `count` pages: takes fresh ones from the heap, contents undefined, or gives the last ones back. Throws MemoryError. */
  setPages(table: Storage, count: number): void {
    const { pageBytes = 0 } = table;
    const pages = this.#pages.get(table) ?? [];
    this.#pages.set(table, pages);
    while (pages.length > count) this.heap.release(pages.pop()!, pageBytes);
    while (pages.length < count) {
      pages.push(this.heap.allocate(pageBytes, table.name));
      this.words(this.address(table), pages.length)[pages.length - 1] = pages.at(-1)!;
    }
  }

  /** Encodes a plan into memory. */
  install(plan: Plan): Installed {
    for (const s of plan.fixed) this.address(s);
    const count = plan.nodes.length;
    const program = { plan, count, address: this.heap.allocate(count * RECORD_BYTES, `program ${plan.graph.name}`) };
    this.#programs.add(program);
    const arena = this.#fit(this.#arena, plan.arenaBytes, 'arena');
    const scratch = this.#fit(this.#scratch, plan.scratchBytes * this.#runner.threads, 'scratch');
    if (arena || scratch) for (const p of this.#programs) this.#encode(p);
    else this.#encode(program);
    return program;
  }

  uninstall(program: Installed): void {
    if (this.#programs.delete(program)) this.heap.release(program.address, program.count * RECORD_BYTES);
  }

  run(program: Installed, profile = false): Promise<RunResult> {
    return this.#runner.run(this.#stage, program.address, program.count, profile);
  }

  /** Runs in the calling thread without a promise; only with threads: 0. */
  runNow(program: Installed): void {
    if (!(this.#runner instanceof InlineRunner)) throw new InputError('runNow: needs an engine with threads: 0');
    this.#runner.runNow(this.#stage, program.address, program.count);
  }

  /** Do programs here read or write the cell? */
  knows(cell: Cell): boolean {
    return this.#cells.has(cell);
  }

  setCell(cell: Cell, value: number): void {
    const i = this.cell(cell) >>> 2;
    this.#wordsTo(i)[i] = value;
  }

  getCell(cell: Cell): number {
    const i = this.cell(cell) >>> 2;
    return this.#wordsTo(i)[i]!;
  }

  /** A view that holds word `i`. Views cost more than what is done with cells at each run; an older one is too short, or empty, if not right. */
  #wordsTo(i: number): Int32Array {
    if (i >= this.#words.length) this.#words = new Int32Array(this.bytes.buffer);
    return this.#words;
  }

  /** Address of the word of a cell; a constant shares one word with all its equals. */
  cell(dim: Dim): number {
    let at = this.#cells.get(dim);
    if (at === undefined) {
      const value = typeof dim === 'number' ? dim : this.#initial(dim);
      at = this.#freeCells.pop() ?? this.#newWord();
      this.#cells.set(dim, at);
      this.words(at, 1)[0] = value;
    }
    return at;
  }

  #newWord(): number {
    if (this.#cellPage.next === this.#cellPage.end) {
      const next = this.heap.allocate(4096, 'cells');
      this.#cellPage = { next, end: next + 4096 };
    }
    this.#cellPage.next += 4;
    return this.#cellPage.next - 4;
  }

  /** Gives a cell's word back. Programs that read it must be gone. */
  forget(cell: Cell): void {
    const at = this.#cells.get(cell);
    if (at !== undefined) this.#freeCells.push(at);
    this.#cells.delete(cell);
  }

  /** Where a tensor of a program lies, or undefined where the program knows nothing of it. */
  find(program: Installed, tensor: Tensor): number | undefined {
    const s = tensor.storage;
    const fixed = this.#fixed.get(s);
    if (fixed !== undefined) return fixed + tensor.offset;
    const offset = program.plan.offsets.get(s);
    return offset === undefined ? undefined : this.#arena.address + offset + tensor.offset;
  }

  /** Copies values to an address that belongs to `t`. */
  write(at: number, t: Tensor, data: Float32Array | Int32Array | Uint8Array): void {
    if (data.byteLength > t.storage.bytes) {
      throw new InputError(`${t.name}: too much data: got ${data.byteLength} bytes for ${t.storage.bytes}`);
    }
    this.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  }

  words(at: number, count: number): Int32Array {
    return new Int32Array(this.bytes.buffer, at, count);
  }

  /** Forgets everything. */
  clear(): void {
    this.#fixed.clear();
    this.#pages.clear();
    this.#programs.clear();
    this.#bytes = new Uint8Array(0);
    this.#words = new Int32Array(0);
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
    const records = encode(program.plan, placement, this.#runner instanceof PoolRunner && this.#runner.threads > 1);
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
