import { scaleRows } from '../src/graph/ops/scaleRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('queries of Qwen-1.8B past the trained length, 512 rows', 'memory', scaleRows, {}, [
    [512, 2048],
    [512, 1],
  ]),
];
