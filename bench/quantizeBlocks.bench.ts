import { quantizeBlocks } from '../src/graph/ops/quantizeBlocks.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = (['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k'] as const).map((type) =>
  opCase(`${type}, 8 rows of 4096`, 'memory', quantizeBlocks, { type }, [[8, 4096]]),
);
