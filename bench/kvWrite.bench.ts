import { fixedKv, type KvType } from '../src/graph/kv.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import type { Case } from './harness.ts';

/** Rows written behind 100 others. */
export const kvCase = (name: string, dtype: KvType, heads: number, dim: number, rows: number): Case => ({
  name: `${name}, ${rows} row${rows === 1 ? '' : 's'}, ${dtype}`,
  bound: 'memory',
  graph: (g) => {
    const cache = fixedKv('cache', dtype, heads, 2048, dim);
    const shape = [rows, heads * dim];
    return g.addAll(kvWrite, [g.input('k', 'f32', shape), g.input('v', 'f32', shape), cache.k, cache.v], { heads, dim, at: 100 });
  },
});

export const cases: readonly Case[] = ([1, 512] as const).flatMap((rows) =>
  (['kv-f32', 'kv-f16', 'kv-q8'] as const).map((dtype) => kvCase('Vicuna-7B', dtype, 32, 128, rows)),
);
