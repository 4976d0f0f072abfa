import { selectRows } from '../src/graph/ops/selectRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('half of 576 image tokens', 'memory', selectRows, { rows: 640, how: 'best', k: 288, kept: 352, from: 36 }, [[576, 1]]),
];
