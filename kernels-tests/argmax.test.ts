import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns } from '../src/graph/graph.ts';
import { argmax } from '../src/graph/ops/argmax.ts';
import { oddSizes } from './families/elementwise.ts';
import { engines, given, random, runGraph } from './harness.ts';

/** The definition: NaN is never chosen. */
function reference(x: Float32Array, cols: number): Int32Array {
  return Int32Array.from({ length: x.length / cols }, (_, r) => {
    let best = -1;
    for (let i = 0; i < cols; i++) {
      const v = x[r * cols + i]!;
      if (!Number.isNaN(v) && (best < 0 || v > x[r * cols + best]!)) best = i;
    }
    return best;
  });
}

for (const { name, engine } of await engines()) {
  const check = (x: Float32Array, rows: number, cols: number, what: string) => {
    const r = runGraph(engine, [given(x, rows, cols)], (g, [t]) => [
      g.add(argmax, [t!], {}),
      g.add(argmax, [columns(t!, cols - 1, 1)], {}),
    ]);
    assert.deepEqual(r.readInts(0), reference(x, cols), what);
    assert.deepEqual(
      r.readInts(1),
      reference(
        x.filter((_, i) => i % cols === cols - 1),
        1,
      ),
      `${what} window`,
    );
    r.done();
  };

  test(`argmax ${name}`, () => {
    for (const [rows, cols] of oddSizes) {
      check(random(rows * cols, 3), rows, cols, `[${rows}, ${cols}]`);
      check(
        random(rows * cols, 3).map((v) => Math.round(v * 2)),
        rows,
        cols,
        `[${rows}, ${cols}] ties`,
      );
      check(
        random(rows * cols, 4).map((v) => (v > 0 ? NaN : v)),
        rows,
        cols,
        `[${rows}, ${cols}] with NaN`,
      );
    }
  });

  test(`argmax ${name} special values`, () => {
    for (const row of [
      [NaN, NaN],
      [NaN, -Infinity],
      [-Infinity, -Infinity],
      [Infinity, NaN, Infinity],
      [-0, 0],
      [NaN, NaN, NaN, NaN, -5, NaN, NaN],
    ]) {
      check(Float32Array.from(row), 1, row.length, String(row));
    }
  });
}
