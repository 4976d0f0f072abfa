import { newCell } from '../src/graph/graph.ts';
import { route } from '../src/graph/ops/route.ts';
import type { Case } from './harness.ts';
import { opCase } from './harness.ts';

const counts = (rows: number) => Array.from({ length: 4 }, (_, e) => newCell(`expert ${e}`, rows));
const top2 = (rows: number) => ({ k: 2, factor: 2, least: 0, total: rows, counts: counts(rows) });

export const cases: readonly Case[] = [
  opCase('MoE-LLaVA-4e-top2, 640 rows', 'memory', route, top2(640), [
    [640, 4],
    [640, 4],
  ]),
  opCase('MoE-LLaVA-4e-top2, 1 row', 'memory', route, top2(1), [
    [1, 4],
    [1, 4],
  ]),
];
