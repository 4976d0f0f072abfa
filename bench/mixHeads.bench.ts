import { mixHeads } from '../src/graph/ops/mixHeads.ts';
import { type Case, opCase } from './harness.ts';

const mqt = (m: number): Case =>
  opCase(`${m} visual tokens, MQT-7B`, 'f32', mixHeads, { heads: 16, keys: 576, step: 0 }, [
    [m, 16 * 576],
    [576, 1024],
  ]);

export const cases: readonly Case[] = [
  mqt(256),
  mqt(16),
  opCase('144 windows of a slice, UHD-13B', 'f32', mixHeads, { heads: 40, keys: 9, step: 9 }, [
    [144, 40 * 9],
    [1296, 5120],
  ]),
];
