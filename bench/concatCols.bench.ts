import { concatCols } from '../src/graph/ops/concatCols.ts';
import { type Case, opCase } from './harness.ts';

export const cases: readonly Case[] = [
  opCase('two towers, 576 rows', 'memory', concatCols, {}, [
    [576, 1024],
    [576, 1152],
  ]),
];
