import { softmax } from '../src/graph/ops/softmax.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('MoE router, 512 rows of 4', 'f32', softmax, { scale: 1 }, [[512, 4]]),
  opCase('logits of Vicuna-7B', 'f32', softmax, { scale: 1 }, [[1, 32000]]),
];
