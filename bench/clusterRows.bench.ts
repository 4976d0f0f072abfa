import { clusterRows } from '../src/graph/ops/clusterRows.ts';
import { type Case, opCase } from './harness.ts';

const clusters = Int32Array.from({ length: 523 }, (_, i) => i % 10);
export const cases: readonly Case[] = [
  opCase('VisionZip 54 + 10, CLIP-L', 'memory', clusterRows, { first: 0, step: 52, count: 10 }, [[523, 1024], clusters]),
];
