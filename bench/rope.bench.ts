import { rope } from '../src/graph/ops/rope.ts';
import { type Case, opCase } from './harness.ts';

const params = { heads: 32, dim: 128, rotary: 128 };

export const cases: readonly Case[] = [
  opCase('Vicuna-7B, 1 row', 'memory', rope, { ...params, pairing: 'half' }, [
    [1, 4096],
    [1, 128],
  ]),
  opCase('Vicuna-7B, 512 rows', 'memory', rope, { ...params, pairing: 'half' }, [
    [512, 4096],
    [512, 128],
  ]),
  opCase('Vicuna-7B GGUF, 512 rows', 'memory', rope, { ...params, pairing: 'interleaved' }, [
    [512, 4096],
    [512, 128],
  ]),
];
