import { geluTanhMul } from '../src/graph/ops/geluTanhMul.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('Gemma-2B, 128 rows', 'f32', geluTanhMul, {}, [
    [128, 16384],
    [128, 16384],
  ]),
];
