import { tomeMerge } from '../src/graph/ops/tomeMerge.ts';
import { type Case, opCase } from './harness.ts';

const into = Int32Array.from({ length: 577 }, (_, i) => (i % 2 ? -1 : (i * 7) % 288));
export const cases: readonly Case[] = [
  opCase('CLIP-L, 16 rows fewer', 'memory', tomeMerge, { r: 16, ordered: true }, [[577, 1024], [577, 1], [577, 1], into]),
];
