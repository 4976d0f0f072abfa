import { rowBytes } from '../src/graph/ops/resizeHorizontal.ts';
import { resizeVertical } from '../src/graph/ops/resizeVertical.ts';
import { type Filter, resizeTable } from '../src/image/filters.ts';
import type { Case } from './harness.ts';

function columns(name: string, pixels: number, from: number, to: number, filter: Filter): Case {
  const table = resizeTable(from, to, filter);
  return {
    name,
    bound: 'i8',
    inputs: { table: table.words },
    graph: (g) => [
      g.add(resizeVertical, [g.input('image', 'u8', [from, rowBytes(pixels)]), g.input('table', 'i32', [to, table.cols])], {}),
    ],
  };
}

export const cases: readonly Case[] = [
  columns('12 MP photo to 448x336', 448, 3000, 336, 'bicubic'),
  columns('640x480 to 448x336', 448, 480, 336, 'bicubic'),
  columns('200x200 to 336x336', 336, 200, 336, 'bicubic'),
];
