// Products of float matrices by the kernels, in a small memory of their own: the arithmetic that reading a checkpoint needs before there is a model.

import type { AddProduct } from '../formats/lora.ts';
import { fixedTensor, Graph } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { pack } from '../graph/ops/pack.ts';
import { plan } from '../graph/plan.ts';
import { Engine, type Program } from './engine.ts';
import type { Platform } from './platform.ts';

/**
 * `values += left rightᵀ` in the calling thread; memory and programs are made at first use and kept. Calls that overlap wait for each other.
 * Sums are f32, as in every matmul of the runtime.
 */
export function addProduct(platform: Platform): AddProduct {
  let made: Promise<Engine> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const known = new Map<string, Program>();

  const program = (engine: Engine, rows: number, cols: number, depth: number): Program => {
    const key = `${rows} ${cols} ${depth}`;
    let p = known.get(key);
    if (!p) {
      const g = new Graph('product');
      const packed = fixedTensor(`right ${key}`, 'packed-f32', [cols, depth]);
      g.addAll(pack, [g.input('right', 'u8', [cols, 4 * depth]), packed], { from: 'f32', firstRow: 0, rows: cols, cols: depth });
      const [left, values] = [g.input('left', 'f32', [rows, depth]), g.input('values', 'f32', [rows, cols])];
      g.output('sum', linear(g, left, packed, { residual: values }));
      p = engine.install(plan(g));
      known.set(key, p);
    }
    return p;
  };

  const run: AddProduct = async (values, left, right, depth) => {
    made ??= Engine.create(platform, { threads: 0, maximumPages: 16384 });
    const engine = await made;
    const p = program(engine, left.length / depth, right.length / depth, depth);
    engine.write(p, 'right', right);
    engine.write(p, 'left', left);
    engine.write(p, 'values', values);
    engine.runNow(p);
    values.set(engine.read(p, 'sum'));
  };
  return (...args) => {
    const next = last.then(() => run(...args));
    last = next.catch(() => undefined);
    return next;
  };
}
