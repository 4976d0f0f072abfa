import { newCell } from '../src/graph/graph.ts';
import { mergeNeighbours } from '../src/graph/ops/mergeNeighbours.ts';
import { selectOutliers } from '../src/graph/ops/selectOutliers.ts';
import type { Case } from './harness.ts';

export const cases: readonly Case[] = [
  {
    name: 'PruMerge, CLIP-L, 72 of 576 rows',
    bound: 'f32',
    graph: (g) => {
      // The cells are written by the op that stands before this one in the model.
      const a = g.input('a', 'f32', [576, 1]);
      const [chosen, merged] = [newCell('chosen', 576), newCell('merged', 577)];
      const index = g.add(selectOutliers, [a], { chosen, merged });
      const inputs = [g.input('x', 'f32', [576, 1024]), g.input('keys', 'f32', [576, 1024]), a, index];
      return [g.add(mergeNeighbours, inputs, { neighbours: 32, merged })];
    },
  },
];
