import { ropeTable } from '../src/graph/ops/ropeTable.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Vicuna-7B, 512 rows', 'f32', ropeTable, {}, [Int32Array.from({ length: 512 }, (_, i) => i), [64]]),
];
