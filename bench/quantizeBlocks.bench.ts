import { quantizeBlocks } from '../src/graph/ops/quantizeBlocks.ts';
import { type Case, opCase } from './harness.ts';

const TYPES = ['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs'] as const;

export const cases: readonly Case[] = TYPES.flatMap((type) => [
  quantizing(`${type}, 8 rows of 4096`, type, [[8, 4096]]),
  quantizing(`${type} by importance, 8 rows of 4096`, type, [
    [8, 4096],
    [1, 4096],
  ]),
]);

function quantizing(name: string, type: (typeof TYPES)[number], given: readonly (readonly number[])[]): Case {
  return { ...opCase(name, 'memory', quantizeBlocks, { type }, given), set: 'quantizers' };
}
