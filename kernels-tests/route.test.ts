import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Graph, newCell } from '../src/graph/graph.ts';
import { type RouteParams, route } from '../src/graph/ops/route.ts';
import { plan } from '../src/graph/plan.ts';
import type { Engine } from '../src/runtime/engine.ts';
import { close, engines, random } from './harness.ts';

interface Case {
  readonly rows: number;
  readonly experts: number;
  readonly k: number;
  readonly factor: number;
  readonly least: number;
  readonly total: number;
  readonly noise: boolean;
}

interface Routed {
  readonly capacity: number;
  readonly lists: number[][];
  readonly weights: number[];
  readonly choices: number[];
}

/** The rules, said another way: choices sorted by order of admission. */
function expected(c: Case, logits: Float32Array, gates: Float32Array, noise: Float32Array): Routed {
  const { rows, experts, k } = c;
  const share = Math.fround(c.total / experts);
  const capacity = Math.max(Math.ceil(Math.fround(share * Math.fround(k * c.factor))), c.least);
  const chosen = Array.from({ length: rows }, (_, r) => {
    const row = Array.from({ length: experts }, (_, e) => e).filter((e) => !Number.isNaN(gates[r * experts + e]));
    const by = (value: (e: number) => number, left: number[]) => left.reduce((a, b) => (value(b) > value(a) ? b : a), left[0] ?? -1);
    const list: number[] = [];
    for (let j = 0; j < k; j++) {
      const value = (e: number) =>
        j === 0 ? gates[r * experts + e]! : Math.fround(logits[r * experts + e]! + (c.noise ? noise[r * experts + e]! : 0));
      list.push(
        by(
          value,
          row.filter((e) => !list.includes(e)),
        ),
      );
    }
    return list;
  });
  const lists: number[][] = Array.from({ length: experts }, () => []);
  const queue = Array.from({ length: k }, (_, j) => chosen.map((list, r) => ({ r, j, e: list[j]! }))).flat();
  for (let e = 0; e < experts; e++) {
    let own = queue.filter((q) => q.e === e);
    if (k === 1 && c.noise) {
      const kept = [...own].sort((a, b) => noise[b.r * experts + e]! - noise[a.r * experts + e]! || a.r - b.r).slice(0, capacity);
      own = own.filter((q) => kept.includes(q));
    }
    lists[e] = own.slice(0, capacity).map((q) => q.r);
  }
  const weights = new Array<number>(rows * experts).fill(0);
  const choices: number[] = [];
  for (const [r, list] of chosen.entries()) {
    const slots = list.map((e) => (e < 0 ? -1 : lists[e]!.indexOf(r)));
    choices.push(...list, ...slots);
    const kept = list.filter((_, j) => slots[j]! >= 0);
    const sum = kept.reduce((n, e) => n + gates[r * experts + e]!, 0);
    for (const e of kept) weights[r * experts + e] = gates[r * experts + e]! / (k === 1 ? 1 : Math.max(sum, 2 ** -23));
  }
  return { capacity, lists, weights, choices };
}

function run(engine: Engine, c: Case, logits: Float32Array, gates: Float32Array, noise: Float32Array): Routed {
  const room = c.rows + 3;
  const rows = newCell('rows', room);
  const total = newCell('total', 1000);
  const counts = Array.from({ length: c.experts }, (_, e) => newCell(`expert ${e}`, room));
  const g = new Graph('route');
  const inputs = ['logits', 'gates', ...(c.noise ? ['noise'] : [])].map((name) => g.input(name, 'f32', [rows, c.experts]));
  const names = ['lists', 'weights', 'choices', 'load'];
  for (const [i, t] of g.addAll(route, inputs, { k: c.k, factor: c.factor, least: c.least, total, counts }).entries())
    g.output(names[i]!, t);
  const program = engine.install(plan(g));
  engine.setCell(rows, c.rows);
  engine.setCell(total, c.total);
  for (const [name, data] of [
    ['logits', logits],
    ['gates', gates],
    ['noise', noise],
  ] as const)
    if (g.inputs.has(name)) engine.write(program, name, data);
  engine.runNow(program);
  const lists = engine.readInts(program, 'lists');
  const [capacity, ...load] = engine.readInts(program, 'load');
  const sizes = counts.map((n) => engine.getCell(n));
  assert.deepEqual(load, sizes);
  const result = {
    capacity: capacity!,
    lists: sizes.map((n, e) => [...lists.subarray(e * room, e * room + n)]),
    weights: [...engine.read(program, 'weights')],
    choices: [...engine.readInts(program, 'choices')],
  };
  engine.uninstall(program);
  return result;
}

function softmax(logits: Float32Array, experts: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let r = 0; r < logits.length; r += experts) {
    const e = [...logits.subarray(r, r + experts)].map(Math.exp);
    const sum = e.reduce((a, b) => a + b, 0);
    out.set(
      e.map((x) => x / sum),
      r,
    );
  }
  return out;
}

const cases: Case[] = [];
for (const rows of [0, 1, 2, 7, 33]) {
  for (const experts of [1, 2, 3, 4, 8]) {
    for (const k of [1, 2, 3, 8]) {
      if (k > experts) continue;
      for (const [factor, least, total, noise] of [
        [2, 0, rows, false],
        [0.5, 0, rows, true],
        [0.5, 3, rows, false],
        [0.3, 0, rows + 40, true],
      ] as const)
        cases.push({ rows, experts, k, factor, least, total, noise });
    }
  }
}

for (const { name, engine } of await engines()) {
  test(`route ${name}`, () => {
    for (const [i, c] of cases.entries()) {
      const logits = random(c.rows * c.experts, i + 1).map((x) => 3 * x);
      const gates = softmax(logits, c.experts);
      const noise = random(c.rows * c.experts, i + 1000);
      const got = run(engine, c, logits, gates, noise);
      const want = expected(c, logits, gates, noise);
      const what = JSON.stringify(c);
      assert.deepEqual({ ...got, weights: [] }, { ...want, weights: [] }, what);
      close(got.weights, want.weights, 0, 1e-6, what);
    }
  });

  test(`route ${name}: ties, NaN, infinities`, () => {
    const c: Case = { rows: 5, experts: 4, k: 2, factor: 2, least: 0, total: 5, noise: false };
    const logits = Float32Array.from([1, 1, 1, 1, NaN, NaN, NaN, NaN, 0, NaN, 0, 0, -Infinity, -Infinity, 2, -Infinity, 0, 5, 0, 5]);
    const gates = Float32Array.from([0.25, 0.25, 0.25, 0.25, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, 0, 0, 1, 0, 0, 0.5, 0, 0.5]);
    const got = run(engine, c, logits, gates, logits);
    assert.deepEqual(got.choices, [0, 1, 0, 1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 0, 0, 1, 1, 3, 0, 0]);
    assert.deepEqual(got.lists, [[0, 3], [4, 0], [3], [4]]);
    assert.deepEqual(got.weights, [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0.5, 0, 0.5]);
  });
}

test('route: bad parameters', () => {
  const attempt = (experts: number, params: Partial<RouteParams>, rows = 4) => {
    const g = new Graph('g');
    const x = g.input('x', 'f32', [rows, experts]);
    const counts = Array.from({ length: experts }, (_, e) => newCell(`${e}`, 4));
    return () => g.addAll(route, [x, x], { k: 1, factor: 1, least: 0, total: rows, counts, ...params });
  };
  assert.throws(attempt(4, { k: 5 }), /k must be 1 to 4, the experts: got 5/);
  assert.throws(attempt(4, { k: 0 }), /k must be/);
  assert.throws(attempt(9, {}), /needs 1 to 8 experts/);
  assert.throws(attempt(4, { counts: [] }), /a cell for each of 4 experts: got 0/);
  assert.throws(attempt(4, { least: 0.5 }), /whole number: got 0.5/);
  assert.throws(attempt(4, {}, 5), /a cell must hold up to 5/);
});
