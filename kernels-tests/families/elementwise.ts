// What tests of elementwise ops share: odd sizes, column windows, in place, and the same bits from every build and share.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, Graph } from '../../src/graph/graph.ts';
import type { Op } from '../../src/graph/op.ts';
import { plan } from '../../src/graph/plan.ts';
import { close, engines, given, random, runGraph } from '../harness.ts';

export const oddCols: readonly number[] = [1, 3, 4, 5, 31, 64, 1027];
export const oddRows: readonly number[] = [1, 2, 5, 17];

/** Every pair of odd rows and columns. */
export const oddSizes: readonly (readonly [number, number])[] = oddRows.flatMap((r) => oddCols.map((c) => [r, c] as const));

/** Values over many magnitudes, with zeros, both signs and what overflows a naive exponential. */
export function wide(n: number, seed: number): Float32Array {
  const special = [0, -0, 1e-30, -1e-30, 20, -20, 88, -88, 90, -90, 1000, -1000, 1e30, -1e30];
  const x = random(n, seed).map((v) => v * 8);
  if (n > 100) for (const [i, v] of special.entries()) x[7 * i] = v;
  return x;
}

/** Bytes of results by case: all engines must agree. */
export function sameBits(): (what: string, y: Float32Array) => void {
  const first = new Map<string, Float32Array>();
  return (what, y) => {
    const want = first.get(what);
    if (want) assert.deepEqual(new Uint32Array(y.buffer), new Uint32Array(want.buffer), `${what}: bits differ between builds or shares`);
    else first.set(what, y);
  };
}

export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** `f` is the definition, in f64. */
export async function testUnary<P>(op: Op<P>, params: P, f: (x: number) => number, { atol, rtol }: Tolerance): Promise<void> {
  const same = sameBits();
  for (const { name, engine } of await engines()) {
    test(`${op.name} ${name}`, () => {
      for (const [rows, cols] of oddSizes) {
        const x = wide(rows * cols, 1);
        const r = runGraph(engine, [given(x, rows, cols)], (g, [t]) => {
          const window = columns(t!, cols >> 1, cols - (cols >> 1));
          // A sum in between makes the second use a temporary, so that the op runs in place.
          return [g.add(op, [t!], params), g.add(op, [window], params), g.add(op, [g.add(op, [t!], params)], params)];
        });
        const want = Float64Array.from(x, f);
        const what = `[${rows}, ${cols}]`;
        close(r.read(0), want, atol, rtol, what);
        close(
          r.read(1),
          want.filter((_, i) => i % cols >= cols >> 1),
          atol,
          rtol,
          `${what} window`,
        );
        close(r.read(2), Float64Array.from(r.read(0), f), atol, rtol, `${what} in place`);
        same(what, r.read(0));
        same(`${what} window`, r.read(1));
        r.done();
      }
    });
  }
}

/** `f` is the definition, in f64, of gate and up. */
export async function testGated(op: Op, f: (gate: number, up: number) => number, { atol, rtol }: Tolerance): Promise<void> {
  const same = sameBits();
  for (const { name, engine } of await engines()) {
    test(`${op.name} ${name}`, () => {
      for (const [rows, cols] of oddSizes) {
        const x = random(rows * cols * 2, 1).map((v) => v * 6);
        const r = runGraph(engine, [given(x, rows, 2 * cols)], (g, [t]) => [
          g.add(op, [columns(t!, 0, cols), columns(t!, cols, cols)], {}),
        ]);
        const want = Float64Array.from({ length: rows * cols }, (_, i) => {
          const at = Math.floor(i / cols) * 2 * cols + (i % cols);
          return f(x[at]!, x[at + cols]!);
        });
        close(r.read(), want, atol, rtol, `[${rows}, ${cols}]`);
        same(`[${rows}, ${cols}]`, r.read());
        r.done();
      }
    });
  }
}

/** `f` is the definition, in f32: one rounding. */
export async function testBinary(op: Op, f: (x: number, y: number) => number): Promise<void> {
  for (const { name, engine } of await engines()) {
    test(`${op.name} ${name}`, () => {
      for (const [rows, cols] of oddSizes) {
        const x = wide(rows * cols, 1);
        const y = random(rows * cols, 2);
        const r = runGraph(engine, [given(x, rows, cols), given(y, rows, cols), given(y.slice(0, cols), cols)], (g, [a, b, row]) => [
          g.add(op, [a!, b!], {}),
          g.add(op, [a!, row!], {}),
          g.add(op, [g.add(op, [columns(a!, cols - 1, 1), columns(b!, 0, 1)], {}), columns(a!, 0, 1)], {}),
        ]);
        assert.deepEqual(
          r.read(0),
          x.map((v, i) => f(v, y[i]!)),
          `[${rows}, ${cols}]`,
        );
        assert.deepEqual(
          r.read(1),
          x.map((v, i) => f(v, y[i % cols]!)),
          `[${rows}, ${cols}] one row for all`,
        );
        const one = Float32Array.from({ length: rows }, (_, k) => f(Math.fround(f(x[k * cols + cols - 1]!, y[k * cols]!)), x[k * cols]!));
        assert.deepEqual(r.read(2), one, `[${rows}, ${cols}] windows`);
        r.done();
      }
    });
  }

  test(`${op.name} names both tensors when shapes do not fit`, () => {
    const g = new Graph('g');
    const x = g.input('x', 'f32', [2, 64]);
    assert.throws(
      () => g.add(op, [x, g.input('y', 'f32', [3, 64])], {}),
      /shape of the first or be one row: got x f32\[2, 64\] and y f32\[3, 64\]/,
    );
    assert.equal(plan(g).nodes.length, 0);
  });
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** erf in f64: its Taylor series below 3, the continued fraction of erfc above. */
export function erf(x: number): number {
  const a = Math.abs(x);
  let y: number;
  if (a < 3) {
    let term = a;
    y = a;
    for (let n = 1; n < 80; n++) {
      term *= (-a * a) / n;
      y += term / (2 * n + 1);
    }
    y *= 2 / Math.sqrt(Math.PI);
  } else {
    let f = 0;
    for (let n = 60; n > 0; n--) f = n / 2 / (a + f);
    y = 1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + f);
  }
  return x < 0 ? -y : y;
}
