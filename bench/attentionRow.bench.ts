import { attentionRow } from '../src/graph/ops/attentionRow.ts';
import { byteSize } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';

const shape = [32, 2048, 128];

export const cases: readonly Case[] = (['kv-f32', 'kv-f16', 'kv-q8'] as const).map((dtype) => ({
  name: `Vicuna-7B, 2048 keys, ${dtype}`,
  bound: 'memory',
  inputs: { keys: new Uint8Array(byteSize(dtype, shape)).fill(0x3c) },
  graph: (g) => [
    g.add(attentionRow, [g.input('q', 'f32', [1, 4096]), g.input('keys', dtype, shape)], {
      heads: 32,
      kvHeads: 32,
      dim: 128,
      scale: 128 ** -0.5,
      keys: 2048,
    }),
  ],
}));
