import { lastRow } from '../src/graph/ops/lastRow.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('Vicuna-7B, 512 rows', 'memory', lastRow, {}, [[512, 4096]])];
