// Copies of what caches hold, for searches that go back and forth between continuations of one prompt.

import { KEY_BLOCK } from '../../assembly/kernels/attention/layout.ts';
import type { Kv } from '../graph/kv.ts';
import { type DType, kvPadded, type Tensor } from '../graph/tensor.ts';
import type { Engine } from '../runtime/engine.ts';

/** Rows `from`..`to` of caches, as bytes in the order of `regions`. */
export interface CacheCopy {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

const ELEMENT: Partial<Record<DType, number>> = { 'kv-f32': 4, 'kv-f16': 2, 'kv-q8': 1 };

/** Where rows lie: within a block the layouts interleave rows, so whole blocks are copied. */
function* regions(engine: Engine, caches: readonly Kv[], from: number, to: number): Generator<Uint8Array> {
  const first = from - (from % KEY_BLOCK);
  const tensors: Tensor[] = caches.flatMap(({ k, v }) => [k, v]);
  for (const t of tensors) {
    const [heads, capacity, dim] = t.shape as readonly [number, number, number];
    const count = Math.min(capacity, Math.ceil(to / KEY_BLOCK) * KEY_BLOCK) - first;
    const row = kvPadded(dim) * ELEMENT[t.dtype]!;
    const memory = engine.memoryOf(t.storage);
    const start = memory.address(t.storage) + t.offset;
    const region = (at: number, size: number) => memory.bytes.subarray(at, at + size);
    const scales = start + heads * capacity * row;
    for (let h = 0; h < heads; h++) {
      yield region(start + (h * capacity + first) * row, count * row);
      if (t.dtype === 'kv-q8') yield region(scales + (h * capacity + first) * 4, count * 4);
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

export function restoreCaches(engine: Engine, caches: readonly Kv[], { from, to, bytes }: CacheCopy): void {
  let i = 0;
  for (const region of regions(engine, caches, from, to)) {
    region.set(bytes.subarray(i, i + region.length));
    i += region.length;
  }
}
