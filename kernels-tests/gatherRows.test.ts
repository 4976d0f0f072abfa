import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, Graph, newCell } from '../src/graph/graph.ts';
import { gatherRows } from '../src/graph/ops/gatherRows.ts';
import { plan } from '../src/graph/plan.ts';
import { oddCols } from './families/elementwise.ts';
import { engines, random } from './harness.ts';

for (const { name, engine } of await engines()) {
  test(`gatherRows ${name}`, () => {
    for (const cols of oddCols) {
      const n = newCell('n', 40);
      const g = new Graph('test');
      const x = g.input('x', 'f32', [9, cols + 2]);
      const index = g.input('index', 'i32', [n, 1]);
      g.output('y', g.add(gatherRows, [columns(x, 1, cols), index], {}));
      const program = engine.install(plan(g));
      const data = random(9 * (cols + 2), 1);
      engine.write(program, 'x', data);
      for (const ids of [
        [8],
        [0, 0, 5],
        [3, -1, 9, 2147483647, -2147483648, 8, 1],
        Array.from({ length: 40 }, (_, i) => (i * 5) % 9),
        [],
      ]) {
        engine.write(program, 'index', Int32Array.from(ids));
        engine.setCell(n, ids.length);
        engine.runNow(program);
        const want = ids.flatMap((i) =>
          i >= 0 && i < 9 ? [...data.slice(i * (cols + 2) + 1, i * (cols + 2) + 1 + cols)] : new Array<number>(cols).fill(0),
        );
        assert.deepEqual([...engine.read(program, 'y')], want, `${ids} of [9, ${cols}]`);
      }
      engine.uninstall(program);
    }
  });
}
