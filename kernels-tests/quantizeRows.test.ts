import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns } from '../src/graph/graph.ts';
import { quantizeRows } from '../src/graph/ops/quantizeRows.ts';
import type { Build } from '../src/runtime/platform.ts';
import { engines, given, random, runGraph } from './harness.ts';

interface Block {
  readonly d: number;
  /** -8 times the sum: of all values (plain), of two halves of them (relaxed). */
  readonly sums: readonly number[];
  readonly q: readonly number[];
  /** d times the sum. */
  readonly scaled?: number;
}

/** Reads the layout of a build. */
function blocks(bytes: Uint8Array, build: Build, count: number): Block[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const relaxed = build === 'relaxed';
  const order = [0, 2, 1, 3];
  return Array.from({ length: count }, (_, b) => {
    const at = b * (relaxed ? 44 : 76);
    return {
      d: view.getFloat32(at, true),
      sums: relaxed ? [view.getInt16(at + 4, true), view.getInt16(at + 6, true)] : [view.getInt32(at + 4, true)],
      q: Array.from({ length: 32 }, (_, i) =>
        relaxed ? view.getInt8(at + 8 + i) : view.getInt16(at + 8 + 2 * ((i & ~3) + order[i & 3]!), true),
      ),
      scaled: view.getFloat32(at + (relaxed ? 40 : 72), true),
    };
  });
}

/** Nearest integer, ties to even. */
function even(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

function reference(x: Float32Array): Block {
  const d = Math.fround(x.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 127);
  const inverse = d > 2 ** -100 ? Math.fround(1 / d) : 0;
  const q = Array.from({ length: 32 }, (_, i) => even(Math.fround((x[i] ?? 0) * inverse)) + 0);
  return { d, q, sums: [] };
}

for (const { name, build, engine } of await engines()) {
  const run = (x: Float32Array, rows: number, cols: number, from = 0, count = cols): Block[] => {
    const r = runGraph(engine, [given(x, rows, cols)], (g, [t]) => [g.add(quantizeRows, [columns(t!, from, count)], { per: 32 })]);
    const at = engine.locate(r.program, r.program.plan.readable.get('out0')!);
    const result = blocks(engine.bytes.slice(at, at + rows * Math.ceil(count / 32) * 76), build, rows * Math.ceil(count / 32));
    r.done();
    return result;
  };
  const check = (got: readonly Block[], x: Float32Array, rows: number, cols: number, from: number, count: number): void => {
    got.forEach((b, i) => {
      const row = Math.floor(i / (got.length / rows));
      const block = i % (got.length / rows);
      const want = reference(x.subarray(row * cols + from + block * 32, row * cols + from + Math.min(count, block * 32 + 32)));
      assert.equal(b.d, want.d, `scale of block ${i}`);
      assert.deepEqual(b.q, want.q, `values of block ${i}`);
      const half = (h: number) => b.q.reduce((s, v, k) => ((k >> 1) % 2 === h ? s - 8 * v : s), 0);
      assert.equal(b.scaled, Math.fround(b.d * b.q.reduce((s, v) => s + v, 0)), `scaled sum of block ${i}`);
      assert.deepEqual(b.sums, build === 'relaxed' ? [half(0), half(1)] : [half(0) + half(1)], `sums of block ${i}`);
    });
  };

  for (const [rows, cols] of [
    [1, 32],
    [1, 4096],
    [3, 64],
    [5, 96],
    [2, 33],
    [3, 31],
    [1, 1],
  ] as const) {
    test(`quantizeRows ${name} [${rows}, ${cols}]`, () => {
      const x = random(rows * cols, cols).map((v, i) => (i % 64 < 32 ? v * 1000 : v));
      check(run(x, rows, cols), x, rows, cols, 0, cols);
    });
  }

  test(`quantizeRows ${name}: two records of 16 say what one of 32 says`, () => {
    const x = random(3 * 96, 4);
    const whole = run(x, 3, 96);
    const r = runGraph(engine, [given(x, 3, 96)], (g, [t]) => [g.add(quantizeRows, [t!], { per: 16 })]);
    const at = engine.locate(r.program, r.program.plan.readable.get('out0')!);
    const view = new DataView(engine.bytes.slice(at, at + 9 * 88).buffer);
    const relaxed = build === 'relaxed';
    const order = [0, 2, 1, 3];
    for (let h = 0; h < 18; h++) {
      const from = h * (relaxed ? 28 : 44);
      const want = whole[h >> 1]!;
      const q = want.q.slice((h & 1) * 16, (h & 1) * 16 + 16);
      assert.equal(view.getFloat32(from, true), want.d);
      const got = q.map((_, i) => (relaxed ? view.getInt8(from + 8 + i) : view.getInt16(from + 8 + 2 * ((i & ~3) + order[i & 3]!), true)));
      assert.deepEqual(got, q);
      const sum = q.reduce((s, v) => s + v, 0);
      const word = relaxed ? view.getInt16(from + 4, true) + view.getInt16(from + 6, true) : view.getInt32(from + 4, true);
      assert.equal(word + 0, -8 * sum + 0);
      assert.equal(view.getFloat32(from + (relaxed ? 24 : 40), true), Math.fround(want.d * sum));
    }
    r.done();
  });

  test(`quantizeRows ${name} reads a window of columns`, () => {
    const x = random(3 * 100, 7);
    check(run(x, 3, 100, 20, 64), x, 3, 100, 20, 64);
  });

  test(`quantizeRows ${name}: ties to even, all equal, zeros, tiny, largest`, () => {
    const x = new Float32Array(160);
    for (let i = 0; i < 32; i++) x[i] = i === 0 ? 127 : i - 16 + 0.5;
    x.fill(-3, 32, 64);
    x.fill(1e-38, 96, 128);
    x.fill(3.4e38, 128, 160);
    check(run(x, 1, 160), x, 1, 160, 0, 160);
  });

  test(`quantizeRows ${name}: NaN and infinity are seen in the scale`, () => {
    const x = random(64, 3);
    x[5] = Number.NaN;
    x[40] = Number.POSITIVE_INFINITY;
    const [a, b] = run(x, 1, 64);
    assert.ok(Number.isNaN(a!.d));
    assert.equal(b!.d, Number.POSITIVE_INFINITY);
  });
}
