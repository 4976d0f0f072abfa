import { meanRows } from '../src/graph/ops/meanRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('FastV, 32 heads over 2048 keys', 'memory', meanRows, {}, [[32, 2048]])];
