import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor, newCell } from '../src/graph/graph.ts';
import { fixedKv, type Kv, type KvType, kvCache, pagedKv, setKvRows } from '../src/graph/kv.ts';
import { type AttentionParams, attention } from '../src/graph/ops/attention.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import type { Engine } from '../src/runtime/engine.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

interface Case {
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly window?: number;
}

/** The definition, in f64; row r sees keys from..to. */
function reference(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  c: Case,
  sees: (r: number) => readonly [from: number, to: number],
): Float64Array {
  const { heads, kvHeads, dim } = c;
  const out = new Float64Array(q.length);
  for (let r = 0; r < q.length / (heads * dim); r++) {
    const [from, to] = sees(r);
    for (let h = 0; h < heads; h++) {
      const at = (r * heads + h) * dim;
      const key = (j: number) => (j * kvHeads + Math.floor((h * kvHeads) / heads)) * dim;
      const scores = [];
      for (let j = from; j < to; j++) {
        let s = 0;
        for (let i = 0; i < dim; i++) s += q[at + i]! * k[key(j) + i]!;
        scores.push(s * dim ** -0.5);
      }
      const most = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - most));
      const sum = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < dim; i++) out[at + i] = weights.reduce((a, w, j) => a + w * v[key(from + j) + i]!, 0) / sum;
    }
  }
  return out;
}

/** q like a trained model's: some scores stand out, so the softmax is neither flat nor one-hot. */
const queries = (n: number, seed: number): Float32Array => random(n, seed).map((x) => 6 * x);

/** Errors for |v| <= 1: f16 and q8 mostly change the scores, by the rounding of k times |q|. */
const tolerance: Record<KvType, number> = { 'kv-f32': 3e-6, 'kv-f16': 2e-3, 'kv-q8': 0.03 };
const types: readonly KvType[] = ['kv-f32', 'kv-f16', 'kv-q8'];
const bits = new Map<string, Float32Array>();
const sameBits = (key: string, y: Float32Array): void => {
  assert.deepEqual(new Uint8Array(y.buffer), new Uint8Array((bits.get(key) ?? y).buffer), `${key}: bits differ from the first build`);
  bits.set(key, y);
};

/** A cache full of NaN: what lies beyond the written rows must not matter. */
function poisoned(engine: Engine, dtype: KvType, kvHeads: number, capacity: number, dim: number): Kv {
  const cache = fixedKv('cache', dtype, kvHeads, capacity, dim);
  for (const t of [cache.k, cache.v]) engine.writeFixed(t, new Uint8Array(t.storage.bytes).fill(0xff));
  return cache;
}

/** The same in pages that lie in no order. */
function poisonedPages(engine: Engine, dtype: KvType, kvHeads: number, capacity: number, dim: number): Kv {
  const [cache, before] = [pagedKv('cache', dtype, kvHeads, capacity, dim), pagedKv('before', dtype, kvHeads, capacity, dim)];
  for (const rows of [1, capacity]) {
    setKvRows(engine, before, rows);
    setKvRows(engine, cache, rows);
  }
  for (const t of [before.k, before.v]) engine.release(t.storage);
  setKvRows(engine, cache, 1);
  setKvRows(engine, cache, capacity);
  for (const { storage } of [cache.k, cache.v])
    for (const at of engine.memoryOf(storage).pages(storage)) engine.bytes.fill(0xff, at, at + storage.pageBytes!);
  return cache;
}

/** Rows from..to of a sequence through the cache: write, then attend. */
function chunk(
  engine: Engine,
  cache: Kv,
  c: Case,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  from: number,
  to: number,
): Float32Array {
  const { heads, kvHeads, dim } = c;
  const past = newCell('past', 4096);
  engine.setCell(past, from);
  const rows = to - from;
  const part = (x: Float32Array, width: number) => given(x.slice(from * width, to * width), rows, width);
  const params: AttentionParams = { ...c, scale: dim ** -0.5, causal: true, past };
  const r = runGraph(engine, [part(q, heads * dim), part(k, kvHeads * dim), part(v, kvHeads * dim)], (g, [tq, tk, tv]) => {
    g.addAll(kvWrite, [tk!, tv!, cache.k, cache.v], { heads: kvHeads, dim, at: past });
    return [g.add(attention, [tq!, cache.k, cache.v], params)];
  });
  const y = r.read();
  r.done();
  return y;
}

for (const { name, engine } of await engines()) {
  for (const dtype of types) {
    for (const [heads, kvHeads, dim, rows, keys] of [
      [2, 2, 64, 5, 5],
      [1, 1, 4, 1, 1],
      [3, 3, 72, 4, 130],
      [4, 2, 20, 6, 70],
      [14, 2, 64, 1, 200],
      [2, 1, 12, 33, 9],
      [1, 1, 128, 70, 64],
      [1, 1, 256, 2, 65],
      [2, 2, 7, 3, 19],
    ] as const) {
      test(`attention ${name} ${dtype} ${heads}/${kvHeads} x ${dim}, ${rows} rows over ${keys} keys`, () => {
        const [q, k, v] = [queries(rows * heads * dim, 1), random(keys * kvHeads * dim, 2), random(keys * kvHeads * dim, 3)];
        const shape = { heads, kvHeads, dim };
        // q is a window of a wider matrix; the cache lies in the poisoned arena.
        const wide = new Float32Array(rows * (heads * dim + 3));
        for (let r = 0; r < rows; r++) wide.set(q.subarray(r * heads * dim, (r + 1) * heads * dim), r * (heads * dim + 3) + 3);
        const r = runGraph(
          engine,
          [given(wide, rows, heads * dim + 3), given(k, keys, kvHeads * dim), given(v, keys, kvHeads * dim)],
          (g, [tq, tk, tv]) => {
            const cache = kvCache(g, 'cache', dtype, kvHeads, keys, dim);
            g.addAll(kvWrite, [tk!, tv!, cache.k, cache.v], { heads: kvHeads, dim, at: 0 });
            return [
              g.add(attention, [columns(tq!, 3, heads * dim), cache.k, cache.v], {
                ...shape,
                scale: dim ** -0.5,
                causal: false,
                past: 0,
                keys,
              }),
            ];
          },
        );
        const y = r.read();
        r.done();
        close(
          y,
          reference(q, k, v, shape, () => [0, keys]),
          tolerance[dtype],
          0,
        );
        sameBits(`${dtype} ${heads} ${dim} ${rows}`, y);
      });
    }

    for (const c of [
      { heads: 2, kvHeads: 2, dim: 64 },
      { heads: 6, kvHeads: 2, dim: 20 },
      { heads: 2, kvHeads: 1, dim: 80, window: 9 },
      { heads: 1, kvHeads: 1, dim: 12, window: 70 },
    ] satisfies Case[]) {
      const window = 'window' in c ? c.window : undefined;
      test(`attention ${name} ${dtype} causal ${c.heads}/${c.kvHeads} x ${c.dim} window=${window}: neither chunks nor pages change bits`, () => {
        const rows = 151;
        const [q, k, v] = [queries(rows * c.heads * c.dim, 4), random(rows * c.kvHeads * c.dim, 5), random(rows * c.kvHeads * c.dim, 6)];
        const inChunks = (ends: readonly number[], make = poisoned) => {
          const cache = make(engine, dtype, c.kvHeads, 157, c.dim);
          const parts = ends.map((to, i) => chunk(engine, cache, c, q, k, v, i ? ends[i - 1]! : 0, to));
          for (const t of [cache.k, cache.v]) engine.release(t.storage);
          return Float32Array.from(parts.flatMap((p) => [...p]));
        };
        const y = inChunks([rows]);
        close(
          y,
          reference(q, k, v, c, (r) => [Math.max(0, r + 1 - (window ?? Infinity)), r + 1]),
          tolerance[dtype],
          0,
        );
        assert.deepEqual(inChunks([10, 23, 24, 90, rows]), y);
        assert.deepEqual(inChunks(Array.from({ length: rows }, (_, i) => i + 1)), y);
        assert.deepEqual(inChunks([10, 70, rows], poisonedPages), y);
        sameBits(`causal ${dtype} ${c.heads} ${c.dim}`, y);
      });
    }
  }
}

test('attention of a large range: one key takes all, no overflow', async () => {
  for (const { engine } of await engines()) {
    const [q, k, v] = [
      new Float32Array(16).fill(100),
      Float32Array.from({ length: 48 }, (_, i) => (i < 16 ? -100 : i < 32 ? 100 : 99)),
      random(48, 7),
    ];
    const cache = poisoned(engine, 'kv-f32', 1, 8, 16);
    const c = { heads: 1, kvHeads: 1, dim: 16 };
    const y = chunk(engine, cache, c, Float32Array.from([...q, ...q, ...q]), k, v, 0, 3);
    close(y.subarray(32), v.subarray(16, 32), 0, 0);
  }
});

test('attention names what does not fit', () => {
  const q = fixedTensor('q', 'f32', [2, 64]);
  const { k, v } = fixedKv('cache', 'kv-f16', 2, 16, 16);
  const base = { heads: 4, kvHeads: 2, dim: 16, scale: 1, past: 0 };
  assert.throws(
    () => attention.outputs([q, k, v], { ...base, causal: false, keys: 17 }),
    /more keys than the cache holds: got 17 for cache keys kv-f16\[2, 16, 16\]/,
  );
  assert.throws(() => attention.outputs([q, k, v], { ...base, causal: true, keys: 3 }), /keys are given when not causal/);
  assert.throws(() => attention.outputs([q, k, v], { ...base, heads: 3, causal: true }), /needs 3 heads of 16 columns: got q f32\[2, 64\]/);
});
