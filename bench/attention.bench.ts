import { type KvType, kvCache } from '../src/graph/kv.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import { byteSize } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';

/** Rows of a causal model over a cache that already holds `past` rows. */
export function causal(
  name: string,
  dtype: KvType,
  [heads, kvHeads, dim]: readonly [number, number, number],
  rows: number,
  past: number,
): Case {
  const shape = [kvHeads, past + rows, dim];
  // A byte that makes ordinary numbers in each type. Written, since untouched pages are all one page of zeros.
  const bytes = new Uint8Array(byteSize(dtype, shape)).fill(0x3c);
  return {
    name: `${name}, ${rows} after ${past}, ${dtype}`,
    bound: rows > 1 ? 'f32' : 'memory',
    inputs: { keys: bytes, values: bytes },
    graph: (g) => {
      const [q, k, v] = [g.input('q', 'f32', [rows, heads * dim]), g.input('keys', dtype, shape), g.input('values', dtype, shape)];
      return [g.add(attention, [q, k, v], { heads, kvHeads, dim, scale: dim ** -0.5, causal: true, past })];
    },
  };
}

const types: readonly KvType[] = ['kv-f32', 'kv-f16', 'kv-q8'];

export const cases: readonly Case[] = [
  {
    name: 'CLIP-L/336, 577 rows, with kvWrite',
    bound: 'f32',
    graph: (g) => {
      const [q, k, v] = [g.input('q', 'f32', [577, 1024]), g.input('k', 'f32', [577, 1024]), g.input('v', 'f32', [577, 1024])];
      const cache = kvCache(g, 'cache', 'kv-f32', 16, 577, 64);
      g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads: 16, dim: 64, at: 0 });
      return [
        g.add(attention, [q, cache.k, cache.v], { heads: 16, kvHeads: 16, dim: 64, scale: 0.125, causal: false, past: 0, keys: 577 }),
      ];
    },
  },
  ...types.flatMap((t) => [
    causal('Vicuna-7B, 2 heads', t, [2, 2, 128], 512, 0),
    causal('Vicuna-7B, 2 heads', t, [2, 2, 128], 512, 1536),
    causal('Vicuna-7B', t, [32, 32, 128], 1, 2047),
    causal('Mistral-7B', t, [32, 8, 128], 1, 2047),
    causal('Qwen2-0.5B', t, [14, 2, 64], 1, 2047),
  ]),
];
