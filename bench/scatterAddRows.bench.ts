import { scatterAddRows } from '../src/graph/ops/scatterAddRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('half of 640 rows, MoE-LLaVA-Phi2', 'memory', scatterAddRows, { start: 'input' }, [
    [640, 2560],
    [320, 2560],
    Int32Array.from({ length: 320 }, (_, i) => 2 * i),
    [640, 1],
  ]),
];
