// Graphs of any kind, for what must hold for all of them.

import { columns, fixedTensor, Graph } from '../src/graph/graph.ts';
import { add } from '../src/graph/ops/add.ts';
import { concatCols } from '../src/graph/ops/concatCols.ts';
import { copy } from '../src/graph/ops/copy.ts';
import { lastRow } from '../src/graph/ops/lastRow.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { silu } from '../src/graph/ops/silu.ts';
import { maxSize, type Tensor } from '../src/graph/tensor.ts';
import { random } from './harness.ts';

/** Whole numbers below n, the same for the same seed. */
function dice(seed: number): (n: number) => number {
  const values = random(4096, seed);
  let i = 0;
  return (n) => Math.floor(((values[i++ % values.length]! + 1) / 2) * n) % n;
}

/**
 * A random graph of ops that may and may not run in place, over windows, constants, several outputs and taps; with `bordered`, also
 * borders, and a table in fixed memory between any two of them. `data`: values of inputs; `tables`: of the tables.
 */
export function randomGraph(
  seed: number,
  bordered: boolean = false,
): { graph: Graph; data: Map<string, Float32Array>; tables: Map<Tensor, Float32Array> } {
  const roll = dice(seed);
  const graph = new Graph(`random ${seed}`);
  const data = new Map<string, Float32Array>();
  const tables = new Map<Tensor, Float32Array>();
  const pool: Tensor[] = [];
  for (let i = 0; i < 2; i++) {
    const shape = [1 + roll(4), 4 + 4 * roll(8)];
    pool.push(graph.input(`in${i}`, 'f32', shape));
    data.set(`in${i}`, random(shape[0]! * shape[1]!, seed + i));
  }
  const count = 4 + roll(24);
  for (let i = 0; i < count; i++) {
    const x = pool[pool.length - 1 - roll(Math.min(pool.length, 4))]!;
    const cols = x.shape.at(-1) as number;
    const kind = roll(6);
    if (kind === 0) pool.push(graph.add(silu, [x], {}));
    else if (kind === 1) pool.push(graph.add(scale, [x], { factor: 0.5 }));
    else if (kind === 2) pool.push(graph.add(add, [x, pool.find((t) => t.shape.join() === x.shape.join())!], {}));
    else if (kind === 3 && cols > 4) pool.push(graph.add(copy, [columns(x, cols >> 2, cols >> 1)], {}));
    else if (kind === 4) pool.push(graph.add(concatCols, [x, x], {}));
    else pool.push(graph.add(add, [x, graph.add(lastRow, [x], {})], {}));
    if (bordered && roll(3) === 0) {
      const last = pool.at(-1)!;
      const table = fixedTensor(`table ${i}`, 'f32', last.shape);
      tables.set(table, random(maxSize(last.shape), seed + i));
      graph.border(`border ${i}`);
      pool.push(graph.add(add, [last, table], {}));
    }
    if (roll(5) === 0) graph.tap(`tap${i}`, pool.at(-1)!);
    if (roll(7) === 0) graph.output(`out${i}`, pool.at(-1)!);
  }
  graph.output('out', pool.at(-1)!);
  return { graph, data, tables };
}
