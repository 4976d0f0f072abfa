import { patchRows } from '../src/graph/ops/patchRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('CLIP-L/336', 'memory', patchRows, { channels: 3, height: 336, width: 336, patch: 14 }, [[3 * 336, 336]]),
];
