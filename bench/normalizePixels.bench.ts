import { normalizePixels } from '../src/graph/ops/normalizePixels.ts';
import { normalizeTable, preprocessing } from '../src/image/preprocess.ts';
import type { Case } from './harness.ts';

export const cases: readonly Case[] = [
  {
    name: 'CLIP-L/336',
    bound: 'memory',
    inputs: { table: normalizeTable(preprocessing({})) },
    graph: (g) => [g.add(normalizePixels, [g.input('image', 'u8', [336, 336, 3]), g.input('table', 'f32', [3, 256])], {})],
  },
];
