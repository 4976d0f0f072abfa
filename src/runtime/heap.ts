// A first-fit free list over linear memory: few, large, long-lived pieces (weights, caches, arenas, programs).

import { MemoryError } from '../errors.ts';

const ALIGN = 64;
const PAGE = 65536;

export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #maximumPages: number;
  /** Free pieces by address, none touching another. */
  #free: { at: number; bytes: number }[] = [];
  #end: number;
  #top: number;

  constructor(memory: WebAssembly.Memory, from: number, maximumPages: number) {
    this.memory = memory;
    this.#maximumPages = maximumPages;
    this.#top = from;
    this.#end = memory.buffer.byteLength;
  }

  /** Highest address ever used: what the memory really costs. */
  get used(): number {
    return this.#top;
  }

  /** Address of `bytes` fresh bytes, a multiple of 64. Contents are undefined. Throws MemoryError when the memory's maximum is reached. */
  allocate(bytes: number, what: string): number {
    const need = Math.max(ALIGN, Math.ceil(bytes / ALIGN) * ALIGN);
    const i = this.#free.findIndex((f) => f.bytes >= need);
    if (i >= 0) {
      const piece = this.#free[i]!;
      const at = piece.at;
      if (piece.bytes === need) this.#free.splice(i, 1);
      else this.#free[i] = { at: at + need, bytes: piece.bytes - need };
      return at;
    }
    const at = this.#top;
    const end = at + need;
    if (end > this.#end) this.#grow(end, what, bytes);
    this.#top = end;
    return at;
  }

  release(at: number, bytes: number): void {
    const size = Math.max(ALIGN, Math.ceil(bytes / ALIGN) * ALIGN);
    this.#free.push({ at, bytes: size });
    this.#free.sort((a, b) => a.at - b.at);
    const merged: { at: number; bytes: number }[] = [];
    for (const f of this.#free) {
      const last = merged.at(-1);
      if (last && last.at + last.bytes === f.at) last.bytes += f.bytes;
      else merged.push({ ...f });
    }
    const last = merged.at(-1);
    if (last && last.at + last.bytes === this.#top) {
      this.#top = last.at;
      merged.pop();
    }
    this.#free = merged;
  }

  #grow(end: number, what: string, bytes: number): void {
    const pages = Math.ceil((end - this.#end) / PAGE);
    const have = this.#end / PAGE;
    // Room to spare, so that many small pieces do not grow page by page.
    const wanted = Math.min(Math.max(pages, 64), this.#maximumPages - have);
    try {
      if (wanted < pages) throw new RangeError('maximum reached');
      this.memory.grow(wanted);
    } catch (e) {
      const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
      throw new MemoryError(
        `memory: no room for ${what}: got ${mib(bytes)} on top of ${mib(this.#top)}, the limit is ${mib(this.#maximumPages * PAGE)}: use a smaller quantization, a shorter context or fewer images`,
        { cause: e },
      );
    }
    this.#end = this.memory.buffer.byteLength;
  }
}
