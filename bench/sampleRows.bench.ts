import { sampleRows } from '../src/graph/ops/sampleRows.ts';
import type { Case } from './harness.ts';

function sampled(name: string, from: number, rows: number, taps: number, cols: number): Case {
  return {
    name,
    bound: 'f32',
    inputs: { index: Int32Array.from({ length: rows * taps }, (_, i) => (Math.floor(i / taps) + (i % taps) * 24) % from) },
    graph: (g) => [
      g.add(
        sampleRows,
        [g.input('x', 'f32', [from, cols]), g.input('index', 'i32', [rows, taps]), g.input('weights', 'f32', [rows, taps])],
        {},
      ),
    ],
  };
}

export const cases: readonly Case[] = [
  sampled('positions of a 23 x 25 slice, CLIP-L', 577, 576, 16, 1024),
  sampled('windows of a slice, UHD-13B', 576, 1296, 4, 5120),
];
