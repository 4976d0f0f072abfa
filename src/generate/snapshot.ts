// Copies of what caches hold, for searches that go back and forth between continuations of one prompt.

import { KEY_BLOCK } from '../../assembly/kernels/attention/layout.ts';
import type { Kv } from '../graph/kv.ts';
import type { Engine } from '../runtime/engine.ts';

/** Rows `from`..`to` of paged caches, as bytes in the order of `regions`. */
export interface CacheCopy {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/** Whole pages: within a page the layouts interleave rows. Caches with fewer rows have fewer pages. */
function* regions(engine: Engine, caches: readonly Kv[], from: number, to: number): Generator<Uint8Array> {
  for (const { storage } of caches.flatMap(({ k, v }) => [k, v])) {
    const memory = engine.memoryOf(storage);
    for (const at of memory.pages(storage).slice(Math.floor(from / KEY_BLOCK), Math.ceil(to / KEY_BLOCK))) {
      yield memory.bytes.subarray(at, at + storage.pageBytes!);
    }
  }
}

export function copyCaches(engine: Engine, caches: readonly Kv[], from: number, to: number): CacheCopy {
  const all = [...regions(engine, caches, from, to)];
  const bytes = new Uint8Array(all.reduce((n, region) => n + region.length, 0));
  let i = 0;
  for (const region of all) {
    bytes.set(region, i);
    i += region.length;
  }
  return { from, to, bytes };
}

/** The caches must have as many rows as when they were copied. */
export function restoreCaches(engine: Engine, caches: readonly Kv[], { from, to, bytes }: CacheCopy): void {
  let i = 0;
  for (const region of regions(engine, caches, from, to)) {
    region.set(bytes.subarray(i, i + region.length));
    i += region.length;
  }
}
