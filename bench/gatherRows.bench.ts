import { gatherRows } from '../src/graph/ops/gatherRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('half of 576 image tokens, Vicuna-7B', 'memory', gatherRows, {}, [[576, 4096], Int32Array.from({ length: 288 }, (_, i) => 2 * i)]),
];
