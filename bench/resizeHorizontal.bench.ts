import { resizeHorizontal, rowBytes } from '../src/graph/ops/resizeHorizontal.ts';
import { type Filter, resizeTable } from '../src/image/filters.ts';
import type { Case } from './harness.ts';

function rows(name: string, count: number, from: number, to: number, filter: Filter): Case {
  const table = resizeTable(from, to, filter);
  return {
    name,
    bound: 'i8',
    inputs: { table: table.words },
    graph: (g) => [
      g.add(resizeHorizontal, [g.input('image', 'u8', [count, rowBytes(from)]), g.input('table', 'i32', [to, table.cols])], { from }),
    ],
  };
}

export const cases: readonly Case[] = [
  rows('12 MP photo to 448, 300 of its rows', 300, 4000, 448, 'bicubic'),
  rows('640x480 to 448x336', 480, 640, 448, 'bicubic'),
  rows('200x200 to 336x336', 200, 200, 336, 'bicubic'),
];
