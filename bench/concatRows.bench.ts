import { concatRows } from '../src/graph/ops/concatRows.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [opCase('class row above CLIP-L/336 patches', 'memory', concatRows, {}, [[1024], [576, 1024]])];
