import { quantizeRows } from '../src/graph/ops/quantizeRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Vicuna-7B hidden, 1 row', 'memory', quantizeRows, { per: 32 }, [[1, 4096]]),
  opCase('Vicuna-7B hidden, 128 rows', 'memory', quantizeRows, { per: 32 }, [[128, 4096]]),
];
