import { embed } from '../src/graph/ops/embed.ts';
import type { PackedType } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';
import { weightBytes } from './matmul.ts';

/** Rows of a table of 4096 ids. */
export const embedCase = (name: string, dtype: PackedType, hidden: number, ids: number): Case => ({
  name: `${name}, ${ids} id${ids === 1 ? '' : 's'}, ${dtype}`,
  bound: 'memory',
  get inputs() {
    return { ids: Int32Array.from({ length: ids }, (_, i) => i * 7), table: weightBytes(dtype, 4096, hidden) };
  },
  graph: (g) => [
    g.add(embed, [g.input('ids', 'i32', [ids, 1]), g.input('table', dtype, [4096, hidden]), g.input('hidden', 'f32', [ids, hidden])], {}),
  ],
});

export const cases: readonly Case[] = (['packed-f16', 'packed-q8', 'packed-q4'] as const).map((type) =>
  embedCase('Vicuna-7B', type, 4096, 128),
);
