import { embed } from '../src/graph/ops/embed.ts';
import type { PackedType } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';
import { weightBytes } from './matmul.ts';

const embedCase = (dtype: PackedType): Case => ({
  name: `Vicuna-7B, 128 ids, ${dtype}`,
  bound: 'memory',
  get inputs() {
    return { ids: Int32Array.from({ length: 128 }, (_, i) => i * 31), table: weightBytes(dtype, 4096, 4096) };
  },
  graph: (g) => [
    g.add(embed, [g.input('ids', 'i32', [128, 1]), g.input('table', dtype, [4096, 4096]), g.input('hidden', 'f32', [128, 4096])], {}),
  ],
});

export const cases: readonly Case[] = [embedCase('packed-f16'), embedCase('packed-q8'), embedCase('packed-q4')];
