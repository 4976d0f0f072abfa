import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor, Graph, newCell } from '../src/graph/graph.ts';
import type { Op } from '../src/graph/op.ts';
import { add } from '../src/graph/ops/add.ts';
import { copy } from '../src/graph/ops/copy.ts';
import { gatherRows } from '../src/graph/ops/gatherRows.ts';
import { route } from '../src/graph/ops/route.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { silu } from '../src/graph/ops/silu.ts';
import { softmax } from '../src/graph/ops/softmax.ts';
import { type Plan, plan } from '../src/graph/plan.ts';
import type { Storage } from '../src/graph/tensor.ts';
import { coldEngine, random } from './harness.ts';
import { randomGraph } from './randomGraph.ts';

/** By brute force: at no time do two storages that hold needed values overlap, except a result in its op's declared place. */
function noOverlap(p: Plan): void {
  const kept = new Set([...p.readable.values()].map((t) => t.storage));
  const born = new Map<Storage, number>();
  const dies = new Map<Storage, number>();
  for (const t of p.graph.inputs.values()) born.set(t.storage, -1);
  p.nodes.forEach((n, i) => {
    for (const t of n.outputs) born.set(t.storage, i);
    for (const t of [...n.inputs, ...n.outputs]) dies.set(t.storage, i);
  });
  for (const s of kept) dies.set(s, p.nodes.length);
  for (const t of p.graph.inputs.values()) if (!dies.has(t.storage)) dies.set(t.storage, -1);
  const place = (s: Storage) => [p.offsets.get(s)!, p.offsets.get(s)! + s.bytes] as const;
  const all = [...dies.keys()].filter((s) => s.kind === 'arena');
  for (const a of all) {
    const [from, to] = place(a);
    assert.ok(from >= 0 && from % 64 === 0 && to <= p.arenaBytes, `${a.name} lies outside the arena`);
    for (const b of all) {
      if (a === b || place(b)[0] >= to || place(b)[1] <= from) continue;
      const apart = dies.get(a)! < born.get(b)! || dies.get(b)! < born.get(a)!;
      if (apart) continue;
      const [early, late] = born.get(a)! < born.get(b)! ? [a, b] : [b, a];
      const node = p.nodes[born.get(late)!]!;
      const inPlace = node.op.inPlace !== undefined && node.inputs[node.op.inPlace]!.storage === early && node.outputs[0]!.storage === late;
      assert.ok(inPlace && dies.get(early) === born.get(late), `${a.name} and ${b.name} overlap while both are needed`);
      assert.ok(
        node.inputs.every((t, k) => k === node.op.inPlace || t.storage !== early),
        `${node.name} reads what it overwrites`,
      );
      assert.ok(!kept.has(early) && born.get(early) !== -1, `${early.name} is overwritten`);
    }
  }
}

const all = Array.from({ length: 150 }, (_, i) => randomGraph(i + 1));

test('plan: no two live storages overlap', () => {
  let inPlace = 0;
  for (const { graph } of all) {
    for (const taps of [[], [...graph.taps.keys()]]) {
      const p = plan(graph, taps);
      noOverlap(p);
      inPlace += p.nodes.filter((n) => n.inputs.some((t) => p.offsets.get(t.storage) === p.offsets.get(n.outputs[0]!.storage))).length;
    }
  }
  assert.ok(inPlace > 500, `only ${inPlace} ops run in place`);
});

test('plan: in place or not, the same bits', async () => {
  const engine = await coldEngine('simd', 2);
  for (const { graph, data } of all) {
    const results = [[], [...graph.taps.keys()]].map((taps) => {
      const program = engine.install(plan(graph, taps));
      const runs = [0, 1].map(() => {
        for (const [name, values] of data) engine.write(program, name, values);
        engine.runNow(program);
        return [...graph.outputs.keys()].map((name) => engine.read(program, name));
      });
      assert.deepEqual(runs[1], runs[0], `${graph.name}: a second run differs`);
      engine.uninstall(program);
      return runs[0]!;
    });
    assert.deepEqual(results[1], results[0], graph.name);
  }
});

/** x -> silu -> scale -> silu: every temporary can take the place of the one before it. */
function chain(): Graph {
  const g = new Graph('chain');
  const x = g.input('x', 'f32', [4, 16]);
  g.output('y', g.add(silu, [g.tap('middle', g.add(scale, [g.add(silu, [x], {})], { factor: 2 }))], {}));
  return g;
}

test('plan: a chain runs in one place', () => {
  const p = plan(chain());
  assert.equal(p.arenaBytes, 2 * 256);
  assert.deepEqual(new Set(p.nodes.map((n) => p.offsets.get(n.outputs[0]!.storage))).size, 1);
});

test('plan: a tap that is kept keeps its place, others may lose it', () => {
  const p = plan(chain(), ['middle', 'not there']);
  assert.notEqual(p.offsets.get(p.readable.get('middle')!.storage), p.offsets.get(p.readable.get('y')!.storage));
  assert.deepEqual([...p.readable.keys()], ['y', 'middle']);
  noOverlap(p);
  assert.equal(plan(chain()).readable.has('middle'), false);
});

test('plan: an input is never overwritten, a row of it meets all rows', () => {
  const g = new Graph('g');
  const x = g.add(silu, [g.input('x', 'f32', [2, 16])], {});
  const row = { ...x, name: 'row', shape: [1, 16] };
  g.output('y', g.add(add, [x, row], {}));
  const p = plan(g);
  assert.notEqual(p.offsets.get(p.nodes[1]!.outputs[0]!.storage), p.offsets.get(x.storage));
});

test('plan: nodes that nobody reads are dropped, those that write cells or caches stay', () => {
  const n = newCell('n', 4);
  const counts: Op = { ...copy, name: 'counts', writes: () => [n] };
  const writes: Op = { ...copy, name: 'writes', outputs: () => [] };
  const g = new Graph('g');
  const x = g.input('x', 'f32', [2, 16]);
  const dead = g.add(silu, [x], {});
  g.add(silu, [dead], {});
  const alive = g.add(scale, [x], { factor: 2 });
  g.add(counts, [alive], {});
  g.addAll(writes, [g.add(silu, [x], {})], {});
  g.output('y', g.add(silu, [x], {}));
  assert.deepEqual(
    plan(g).nodes.map((v) => v.op.name),
    ['scale', 'counts', 'silu', 'writes', 'silu'],
  );
});

test('plan: rows that a kernel counts: buffers are sized by the bound, and the counter stays though nobody reads its result', async () => {
  const counts = [newCell('first', 4), newCell('second', 4)];
  const g = new Graph('g');
  const x = g.input('x', 'f32', [4, 16]);
  const logits = g.input('logits', 'f32', [4, 2]);
  const [lists] = g.addAll(route, [logits, g.add(softmax, [logits], { scale: 1 })], { k: 1, factor: 2, least: 0, total: 4, counts });
  counts.forEach((n, e) => {
    const list = { ...lists!, shape: [n, 1], offset: lists!.offset + 16 * e };
    const doubled = g.add(scale, [g.add(gatherRows, [x, list], {})], { factor: 2 });
    g.output(`rows ${e}`, doubled);
  });
  const p = plan(g);
  noOverlap(p);
  assert.equal(p.readable.get('rows 0')!.storage.bytes, 4 * 16 * 4);
  const engine = await coldEngine('simd', 2);
  const program = engine.install(p);
  const data = random(64, 1);
  engine.write(program, 'x', data);
  for (const firsts of [
    [1, 0, 1, 1],
    [0, 0, 0, 0],
  ]) {
    engine.write(program, 'logits', Float32Array.from(firsts.flatMap((f) => [f, 1 - f])));
    engine.runNow(program);
    for (const e of [0, 1]) {
      const want = firsts.flatMap((f, r) => (f === 1 - e ? [...data.subarray(16 * r, 16 * r + 16)] : [])).map((v) => 2 * v);
      assert.deepEqual([...engine.read(program, `rows ${e}`)], want);
    }
  }
});

test('plan: fixed storages are listed once and take no room in the arena', () => {
  const g = new Graph('g');
  const w = fixedTensor('w', 'f32', [16]);
  const x = g.input('x', 'f32', [2, 16]);
  g.output('y', g.add(add, [g.add(add, [x, w], {}), w], {}));
  const p = plan(g);
  assert.deepEqual([...p.fixed], [w.storage]);
  assert.equal(p.offsets.has(w.storage), false);
  assert.equal(p.arenaBytes, 2 * 128);
});
