// Programs by name: those used last stay, in memory that does not grow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph } from '../src/graph/graph.ts';
import { silu } from '../src/graph/ops/silu.ts';
import { Engine } from '../src/runtime/engine.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { Programs } from '../src/runtime/programs.ts';

test('the programs used last are kept, others are planned again and compute the same', async () => {
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  const programs = new Programs(engine, []);
  const built: string[] = [];
  const get = (key: string) =>
    programs.get(key, () => {
      built.push(key);
      const g = new Graph(key);
      g.output('y', g.add(silu, [g.input('x', 'f32', [1, 16])], {}));
      return g;
    });
  const run = async (key: string): Promise<Float32Array> => {
    const program = await get(key);
    engine.write(
      program,
      'x',
      Float32Array.from({ length: 16 }, (_, i) => i - 8),
    );
    await programs.run(program);
    return engine.read(program, 'y');
  };
  const first = await run('often');
  for (let i = 0; i < 32; i++) {
    await run(`${i}`);
    await run('often');
  }
  const { used } = engine.heap;
  for (let i = 32; i < 300; i++) {
    await run(`${i}`);
    await run('often');
  }
  assert.equal(engine.heap.used, used);
  assert.equal(built.filter((key) => key === 'often').length, 1);
  assert.equal(await get('299'), await get('299'));
  assert.deepEqual(await run('0'), first);
  assert.equal(built.filter((key) => key === '0').length, 2);
  await engine.dispose();
});
