import { mul } from '../src/graph/ops/mul.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('gate of Vicuna-7B, 512 rows', 'memory', mul, {}, [
    [512, 11008],
    [512, 11008],
  ]),
];
