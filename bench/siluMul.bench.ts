import { siluMul } from '../src/graph/ops/siluMul.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Vicuna-7B, 1 row', 'f32', siluMul, {}, [
    [1, 11008],
    [1, 11008],
  ]),
  opCase('Vicuna-7B, 128 rows', 'f32', siluMul, {}, [
    [128, 11008],
    [128, 11008],
  ]),
];
