import { type Kv, type KvType, kvCache, pagedKv, setKvRows } from '../src/graph/kv.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import { byteSize, KV_LANES } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';

/** Heads, heads of keys and values, values of a head. */
type Sizes = readonly [number, number, number];

/** Rows of a causal model over a cache that already holds `past` rows. */
export const causal = (name: string, dtype: KvType, sizes: Sizes, rows: number, past: number): Case =>
  over(`${name}, ${rows} after ${past}, ${dtype}`, dtype, sizes, rows, past + rows, { causal: true, past });

/** Rows of a tower, each of which sees all `keys`. */
export const full = (name: string, sizes: Sizes, rows: number, keys: number): Case =>
  over(`${name}, ${rows} over ${keys}`, 'kv-f32', sizes, rows, keys, { causal: false, past: 0, keys });

function over(
  name: string,
  dtype: KvType,
  [heads, kvHeads, dim]: Sizes,
  rows: number,
  inCache: number,
  seen: { readonly causal: boolean; readonly past: number; readonly keys?: number },
): Case {
  const shape = [kvHeads, Math.ceil(inCache / KV_LANES) * KV_LANES, dim];
  return {
    name,
    bound: rows > 1 ? 'f32' : 'memory',
    get inputs() {
      // A byte that makes ordinary numbers in each type. Written, since untouched pages are all one page of zeros.
      const bytes = new Uint8Array(byteSize(dtype, shape)).fill(0x3c);
      return { keys: bytes, values: bytes };
    },
    graph: (g) => {
      const [q, k, v] = [g.input('q', 'f32', [rows, heads * dim]), g.input('keys', dtype, shape), g.input('values', dtype, shape)];
      return [g.add(attention, [q, k, v], { heads, kvHeads, dim, scale: dim ** -0.5, ...seen })];
    },
  };
}

/** One row over a cache in pages, as decoders have it; `causal` has it in one piece. */
function paged(name: string, dtype: KvType, [heads, kvHeads, dim]: Sizes, past: number): Case {
  let cache: Kv | undefined;
  return {
    name: `${name} in pages, 1 after ${past}, ${dtype}`,
    bound: 'memory',
    graph: (g) => {
      cache = pagedKv('cache', dtype, kvHeads, past + 1, dim);
      const q = g.input('q', 'f32', [1, heads * dim]);
      return [g.add(attention, [q, cache.k, cache.v], { heads, kvHeads, dim, scale: dim ** -0.5, causal: true, past })];
    },
    prepare: (engine) => {
      setKvRows(engine, cache!, past + 1);
      for (const { storage } of [cache!.k, cache!.v])
        for (const at of engine.memoryOf(storage).pages(storage)) engine.bytes.fill(0x3c, at, at + storage.pageBytes!);
    },
  };
}

const types: readonly KvType[] = ['kv-f32', 'kv-f16', 'kv-q8'];

export const cases: readonly Case[] = [
  ...(['kv-f32', 'kv-i16'] as const).map(
    (dtype): Case => ({
      name: `CLIP-L/336, 577 rows, with kvWrite, ${dtype}`,
      bound: 'f32',
      graph: (g) => {
        const [q, k, v] = [g.input('q', 'f32', [577, 1024]), g.input('k', 'f32', [577, 1024]), g.input('v', 'f32', [577, 1024])];
        const cache = kvCache(g, 'cache', dtype, 16, 577, 64);
        g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads: 16, dim: 64, at: 0 });
        return [
          g.add(attention, [q, cache.k, cache.v], { heads: 16, kvHeads: 16, dim: 64, scale: 0.125, causal: false, past: 0, keys: 577 }),
        ];
      },
    }),
  ),
  ...types.flatMap((t) => [
    causal('Vicuna-7B, 2 heads', t, [2, 2, 128], 512, 0),
    causal('Vicuna-7B, 2 heads', t, [2, 2, 128], 512, 1536),
    causal('Vicuna-7B', t, [32, 32, 128], 1, 2047),
    paged('Vicuna-7B', t, [32, 32, 128], 2047),
    causal('Mistral-7B', t, [32, 8, 128], 1, 2047),
    paged('Mistral-7B', t, [32, 8, 128], 2047),
    causal('Qwen2-0.5B', t, [14, 2, 64], 1, 2047),
  ]),
];
