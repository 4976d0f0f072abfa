import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, Graph, newCell } from '../src/graph/graph.ts';
import { copy } from '../src/graph/ops/copy.ts';
import { scatterAddRows } from '../src/graph/ops/scatterAddRows.ts';
import { plan } from '../src/graph/plan.ts';
import { oddCols } from './families/elementwise.ts';
import { close, engines, random } from './harness.ts';

const ROWS = 9;

for (const { name, engine } of await engines()) {
  // In place: the first input is a temporary that nobody else reads.
  for (const place of ['elsewhere', 'in place'] as const) {
    test(`scatterAddRows ${place} ${name}`, () => {
      for (const cols of oddCols) {
        for (const start of ['input', 'zeros'] as const) {
          const n = newCell('n', ROWS);
          const g = new Graph('test');
          const x = g.input('x', 'f32', [ROWS, cols]);
          const y = g.input('y', 'f32', [n, cols]);
          const index = g.input('index', 'i32', [n, 1]);
          const weights = g.input('weights', 'f32', [ROWS, 3]);
          const first = place === 'in place' ? g.add(copy, [x], {}) : x;
          g.output('out', g.add(scatterAddRows, [first, y, index, columns(weights, 1, 1)], { start }));
          const program = engine.install(plan(g));
          const data = { x: random(ROWS * cols, 1), y: random(ROWS * cols, 2), weights: random(ROWS * 3, 3) };
          for (const ids of [[], [4], [8, 0, 3], [1, 0, 2, 3, 8, 7, 6, 5, 4]]) {
            for (const [input, values] of Object.entries(data)) engine.write(program, input, values);
            engine.write(program, 'index', Int32Array.from(ids));
            engine.setCell(n, ids.length);
            engine.runNow(program);
            const want = start === 'zeros' ? new Float64Array(ROWS * cols) : Float64Array.from(data.x);
            for (const [i, r] of ids.entries())
              for (let c = 0; c < cols; c++) want[r * cols + c]! += data.weights[r * 3 + 1]! * data.y[i * cols + c]!;
            close(engine.read(program, 'out'), want, 1e-6, 1e-6, `${ids} of [${ROWS}, ${cols}] from ${start}`);
          }
          engine.uninstall(program);
        }
      }
    });
  }
}

test('scatterAddRows: shapes must fit', () => {
  const g = new Graph('g');
  const f32 = (rows: number, cols: number) => g.input(`${rows} ${cols}`, 'f32', [rows, cols]);
  const index = g.input('index', 'i32', [2, 1]);
  const attempt =
    (...inputs: Parameters<typeof g.add>[1]) =>
    () =>
      g.add(scatterAddRows, inputs, { start: 'input' });
  assert.throws(attempt(f32(4, 8), f32(2, 7), index, f32(4, 1)), /columns must agree/);
  assert.throws(attempt(f32(4, 8), f32(3, 8), index, f32(4, 1)), /rows must agree/);
  assert.throws(attempt(f32(4, 8), f32(2, 8), index, f32(2, 1)), /rows must agree/);
  assert.throws(attempt(f32(4, 8), f32(2, 8), f32(2, 1), f32(4, 1)), /must be i32/);
  assert.throws(attempt(f32(4, 8), f32(2, 8), index, f32(4, 2)), /one weight a row/);
});
