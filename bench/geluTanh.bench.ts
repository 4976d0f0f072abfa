import { geluTanh } from '../src/graph/ops/geluTanh.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('SigLIP-SO400M, 729 rows', 'f32', geluTanh, {}, [[729, 4304]]),
  opCase('Phi-2, 1 row', 'f32', geluTanh, {}, [[1, 10240]]),
];
