import { silu } from '../src/graph/ops/silu.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Vicuna-7B, 1 row', 'f32', silu, {}, [[1, 11008]]),
  opCase('Vicuna-7B, 128 rows', 'f32', silu, {}, [[128, 11008]]),
];
