import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor } from '../src/graph/graph.ts';
import { type RopeParams, rope } from '../src/graph/ops/rope.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

/** The definition, in f64: x [rows, heads * dim], table [rows, rotary]. */
function reference(x: Float32Array, table: Float32Array, rows: number, { heads, dim, rotary, pairing }: RopeParams): Float64Array {
  const y = Float64Array.from(x);
  const n = rotary / 2;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < n; i++) {
        const at = (r * heads + h) * dim;
        const [a, b] = pairing === 'half' ? [at + i, at + i + n] : [at + 2 * i, at + 2 * i + 1];
        const [cos, sin] = [table[r * rotary + i]!, table[r * rotary + n + i]!];
        y[a] = x[a]! * cos - x[b]! * sin;
        y[b] = x[b]! * cos + x[a]! * sin;
      }
    }
  }
  return y;
}

for (const { name, engine } of await engines()) {
  for (const pairing of ['half', 'interleaved'] as const) {
    for (const [rows, heads, dim, rotary] of [
      [1, 4, 64, 64],
      [5, 3, 80, 32],
      [7, 2, 20, 10],
      [2, 1, 12, 12],
      [3, 8, 128, 128],
    ] as const) {
      test(`rope ${name} ${pairing} [${rows}, ${heads} x ${dim}] rotary=${rotary}`, () => {
        const width = heads * dim;
        const wide = random(rows * (width + 7), 1);
        const table = random(rows * rotary, 2);
        const params = { heads, dim, rotary, pairing };
        const r = runGraph(engine, [given(wide, rows, width + 7), given(table, rows, rotary)], (g, [x, t]) => [
          g.add(rope, [columns(x!, 5, width), t!], params),
        ]);
        const x = Float32Array.from({ length: rows * width }, (_, i) => wide[Math.floor(i / width) * (width + 7) + 5 + (i % width)]!);
        close(r.read(), reference(x, table, rows, params), 2e-7, 2e-7);
        r.done();
      });
    }
  }
}

test('rope names the table when it does not fit', () => {
  const x = fixedTensor('q', 'f32', [2, 64]);
  const t = fixedTensor('table', 'f32', [2, 32]);
  assert.throws(() => rope.outputs([x, t], { heads: 1, dim: 64, rotary: 64, pairing: 'half' }), /got table f32\[2, 32\] for 64 of 64/);
});
