import { add } from '../src/graph/ops/add.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('residual of Vicuna-7B, 1 row', 'memory', add, {}, [
    [1, 4096],
    [1, 4096],
  ]),
  opCase('residual of Vicuna-7B, 512 rows', 'memory', add, {}, [
    [512, 4096],
    [512, 4096],
  ]),
  opCase('bias of CLIP-L/336, 577 rows', 'memory', add, {}, [[577, 1024], [1024]]),
];
