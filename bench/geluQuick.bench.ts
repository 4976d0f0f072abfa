import { geluQuick } from '../src/graph/ops/geluQuick.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('CLIP-L/336, 577 rows', 'f32', geluQuick, {}, [[577, 4096]])];
