import { newCell } from '../src/graph/graph.ts';
import { selectOutliers } from '../src/graph/ops/selectOutliers.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase(
    'PruMerge+, 576 rows',
    'memory',
    selectOutliers,
    { samples: 575, chosen: newCell('chosen', 576), merged: newCell('merged', 577) },
    [[576, 1]],
  ),
];
