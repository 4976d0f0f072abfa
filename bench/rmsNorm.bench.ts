import { rmsNorm } from '../src/graph/ops/rmsNorm.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Vicuna-7B, 1 row', 'memory', rmsNorm, { eps: 1e-5 }, [[1, 4096], [4096]]),
  opCase('Vicuna-7B, 512 rows', 'memory', rmsNorm, { eps: 1e-5 }, [[512, 4096], [4096]]),
];
