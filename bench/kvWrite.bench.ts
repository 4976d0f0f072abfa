import { fixedKv } from '../src/graph/kv.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import type { Case } from './harness.ts';

export const cases: readonly Case[] = ([1, 512] as const).flatMap((rows) =>
  (['kv-f32', 'kv-f16', 'kv-q8'] as const).map((dtype) => ({
    name: `Vicuna-7B, ${rows} rows, ${dtype}`,
    bound: 'memory',
    graph: (g) => {
      const cache = fixedKv('cache', dtype, 32, 2048, 128);
      return g.addAll(kvWrite, [g.input('k', 'f32', [rows, 4096]), g.input('v', 'f32', [rows, 4096]), cache.k, cache.v], {
        heads: 32,
        dim: 128,
        at: 100,
      });
    },
  })),
);
