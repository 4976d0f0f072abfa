import { layerNorm } from '../src/graph/ops/layerNorm.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('CLIP-L/336, 577 rows', 'memory', layerNorm, { eps: 1e-5 }, [[577, 1024], [1024], [1024]]),
  opCase('Phi-2, 1 row', 'memory', layerNorm, { eps: 1e-5 }, [[1, 2560], [2560], [2560]]),
];
