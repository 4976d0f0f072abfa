import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, Graph, newCell } from '../src/graph/graph.ts';
import { lastRow } from '../src/graph/ops/lastRow.ts';
import { plan } from '../src/graph/plan.ts';
import { oddCols } from './families/elementwise.ts';
import { engines, random } from './harness.ts';

for (const { name, engine } of await engines()) {
  test(`lastRow ${name}`, () => {
    for (const cols of oddCols) {
      const n = newCell('n', 17);
      const g = new Graph('test');
      const x = g.input('x', 'f32', [n, cols + 2]);
      g.output('y', g.add(lastRow, [columns(x, 1, cols)], {}));
      const program = engine.install(plan(g));
      const data = random(17 * (cols + 2), 1);
      engine.write(program, 'x', data);
      for (const rows of [1, 2, 17]) {
        engine.setCell(n, rows);
        engine.runNow(program);
        const at = (rows - 1) * (cols + 2) + 1;
        assert.deepEqual(engine.read(program, 'y'), data.slice(at, at + cols), `[${rows}, ${cols}]`);
      }
      engine.uninstall(program);
    }
  });
}
