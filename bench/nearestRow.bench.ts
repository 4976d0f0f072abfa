import { nearestRow } from '../src/graph/ops/nearestRow.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('VisionZip 54 + 10', 'f32', nearestRow, { first: 0, step: 52, count: 10 }, [[523, 64]]),
  opCase('ToMe, CLIP-L', 'f32', nearestRow, { first: 1, step: 2, count: 288, alone: 1 }, [[577, 64]]),
];
