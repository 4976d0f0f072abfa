import { scale } from '../src/graph/ops/scale.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('embedding of Gemma-2B, 512 rows', 'memory', scale, { factor: 45.25 }, [[512, 2048]])];
