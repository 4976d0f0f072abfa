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

  test(`quantizeRows ${name}: one scale per 256 values, with sums of 32 and of 16`, () => {
    const rows = 3;
    const x = random(rows * 512, 4).map((v, i) => (i % 512 < 256 ? v * 1000 : i < 1024 ? v : 0));
    const r = runGraph(engine, [given(x, rows, 512)], (g, [t]) => [g.add(quantizeRows, [t!], { per: 256 })]);
    const at = engine.locate(r.program, r.program.plan.readable.get('out0')!);
    const relaxed = build === 'relaxed';
    const bytes = relaxed ? 372 : 564;
    const view = new DataView(engine.bytes.slice(at, at + 2 * rows * bytes).buffer);
    const order = [0, 2, 1, 3];
    for (let b = 0; b < 2 * rows; b++) {
      const from = b * bytes;
      const block = x.subarray(b * 256, b * 256 + 256);
      const d = Math.fround(block.reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 127);
      const q = Array.from(block, (v) => (d > 0 ? even(Math.fround(v * Math.fround(1 / d))) : 0) + 0);
      const sum = (first: number, count: number) => q.slice(first, first + count).reduce((s, v) => s + v, 0);
      assert.equal(view.getFloat32(from, true), d);
      for (let i = 0; i < 8; i++) assert.equal(view.getInt16(from + 4 + 2 * i, true), sum(32 * i, 32));
      for (let i = 0; i < 16; i++) assert.equal(view.getInt16(from + 20 + 2 * i, true), sum(16 * i, 16));
      const values = q.map((_, i) =>
        relaxed ? view.getInt8(from + 116 + i) : view.getInt16(from + 52 + 2 * ((i & ~3) + order[i & 3]!), true),
      );
      assert.deepEqual(values, q);
      for (let i = 0; relaxed && i < 32; i++) {
        const part = q.slice((i >> 1) * 16, (i >> 1) * 16 + 16).filter((_, k) => (k >> 1) % 2 === (i & 1));
        assert.equal(view.getInt16(from + 52 + 2 * i, true) + 0, -32 * part.reduce((s, v) => s + v, 0) + 0);
      }
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
