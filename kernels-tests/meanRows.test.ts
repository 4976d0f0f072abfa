import { test } from 'node:test';
import { meanRows } from '../src/graph/ops/meanRows.ts';
import { close, engines, given, random, runOp } from './harness.ts';

for (const { name, engine } of await engines()) {
  for (const [rows, cols] of [
    [1, 1],
    [3, 5],
    [32, 577],
    [7, 64],
  ] as const) {
    test(`meanRows ${name} [${rows}, ${cols}]`, () => {
      const x = random(rows * cols, 1);
      const want = Float64Array.from({ length: cols }, (_, c) => {
        let s = 0;
        for (let r = 0; r < rows; r++) s += x[r * cols + c]!;
        return s / rows;
      });
      close(runOp(engine, meanRows, {}, [given(x, rows, cols)]), want, 1e-6, 0);
    });
  }
}
