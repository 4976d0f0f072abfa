import { BLOCKS, type StorageType } from '../src/formats/tensors.ts';
import { fixedTensor } from '../src/graph/graph.ts';
import { pack } from '../src/graph/ops/pack.ts';
import type { PackedType } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';

const packCase = (from: StorageType, to: PackedType): Case => ({
  name: `${from} as ${to}, 512 rows of 4096`,
  bound: 'memory',
  graph: (g) => {
    const bytes = ((512 * 4096) / BLOCKS[from].values) * BLOCKS[from].bytes;
    return g.addAll(pack, [g.input('source', 'u8', [bytes]), fixedTensor('w', to, [512, 4096])], {
      from,
      firstRow: 0,
      rows: 512,
      cols: 4096,
    });
  },
});

export const cases: readonly Case[] = [
  packCase('f32', 'packed-f32'),
  packCase('f16', 'packed-f32'),
  packCase('bf16', 'packed-f32'),
  packCase('f32', 'packed-f16'),
  packCase('f16', 'packed-f16'),
  packCase('bf16', 'packed-f16'),
  packCase('f16', 'packed-q8'),
  packCase('f16', 'packed-q4'),
  packCase('q8_0', 'packed-q8'),
  packCase('q4_0', 'packed-q4'),
];
