import { gelu } from '../src/graph/ops/gelu.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('LLaVA-1.5 projector, 576 rows', 'f32', gelu, {}, [[576, 4096]])];
