import { meanHeads } from '../src/graph/ops/meanHeads.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('keys of CLIP-L', 'memory', meanHeads, { heads: 16 }, [[577, 1024]])];
