// A first-fit free list over linear memory: few, large, long-lived pieces (weights, caches, arenas, programs).

import { MemoryError } from '../errors.ts';

const ALIGN = 64;
const PAGE = 65536;

const rounded = (bytes: number): number => Math.max(ALIGN, Math.ceil(bytes / ALIGN) * ALIGN);

export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #maximumPages: number;
  /** Free pieces by address, none touching another. */
  #free: { at: number; bytes: number }[] = [];
  readonly #from: number;
  #end: number;
  #top: number;

  constructor(memory: WebAssembly.Memory, from: number, maximumPages: number) {
    this.memory = memory;
    this.#maximumPages = maximumPages;
    this.#from = from;
    this.#top = from;
    this.#end = memory.buffer.byteLength;
  }

  /** Highest address ever used: what the memory really costs. */
  get used(): number {
    return this.#top;
  }

  /** Bytes in pieces that are taken. */
  get taken(): number {
    return this.#free.reduce((n, f) => n - f.bytes, this.#top - this.#from);
  }

  /** Pieces of so many bytes that can still be taken, if the runtime lets the memory grow to its maximum. */
  fits(bytes: number): number {
    const need = rounded(bytes);
    return this.#free.reduce((n, f) => n + Math.floor(f.bytes / need), Math.floor((this.#maximumPages * PAGE - this.#top) / need));
  }

  /** Address of `bytes` fresh bytes, a multiple of 64. Contents are undefined. Throws MemoryError when the memory's maximum is reached. */
  allocate(bytes: number, what: string): number {
    const need = rounded(bytes);
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
    const piece = { at, bytes: rounded(bytes) };
    let i = this.#free.length;
    while (i > 0 && this.#free[i - 1]!.at > at) i--;
    const before = this.#free[i - 1];
    const after = this.#free[i];
    const joinsAfter = after !== undefined && piece.at + piece.bytes === after.at;
    if (joinsAfter) piece.bytes += after.bytes;
    if (before && before.at + before.bytes === at) {
      before.bytes += piece.bytes;
      if (joinsAfter) this.#free.splice(i, 1);
    } else this.#free.splice(i, joinsAfter ? 1 : 0, piece);
    const last = this.#free.at(-1)!;
    if (last.at + last.bytes !== this.#top) return;
    this.#top = last.at;
    this.#free.pop();
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
