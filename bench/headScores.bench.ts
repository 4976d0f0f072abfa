import { headScores } from '../src/graph/ops/headScores.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('64 queries over a slice, UHD-13B', 'f32', headScores, { heads: 8, keys: 576, step: 0 }, [
    [64, 5120],
    [576, 5120],
  ]),
  opCase('144 windows of a slice, UHD-13B', 'f32', headScores, { heads: 40, keys: 9, step: 9 }, [
    [144, 5120],
    [1296, 5120],
  ]),
];
