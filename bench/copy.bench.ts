import { copy } from '../src/graph/ops/copy.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('CLIP-L/336, 577 rows', 'memory', copy, {}, [[577, 1024]])];
