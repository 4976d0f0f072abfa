import { argmax } from '../src/graph/ops/argmax.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('logits of Vicuna-7B', 'memory', argmax, {}, [[1, 32000]]),
  opCase('logits of Qwen2', 'memory', argmax, {}, [[1, 151936]]),
  opCase('MoE router, 512 rows of 4', 'memory', argmax, {}, [[512, 4]]),
];
