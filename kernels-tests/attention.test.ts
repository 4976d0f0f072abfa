import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor, newCell } from '../src/graph/graph.ts';
import { fixedKv, type Kv, type KvType, kvCache, pagedKv, setKvRows, type WholeKvType } from '../src/graph/kv.ts';
import { type AttentionParams, attention } from '../src/graph/ops/attention.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import type { Engine } from '../src/runtime/engine.ts';
import { close, engines, type Given, given, random, runGraph } from './harness.ts';

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

/** Errors for |v| <= 1: f16 and integers mostly change the scores, by the rounding of k times |q|. */
const tolerance: Record<KvType | WholeKvType, number> = { 'kv-f32': 3e-6, 'kv-f16': 2e-3, 'kv-q8': 0.03, 'kv-i16': 3e-3 };
const types = ['kv-f32', 'kv-f16', 'kv-q8', 'kv-i16'] as const;
const bits = new Map<string, Float32Array>();
const sameBits = (key: string, y: Float32Array): void => {
  assert.deepEqual(new Uint8Array(y.buffer), new Uint8Array((bits.get(key) ?? y).buffer), `${key}: bits differ from the first build`);
  bits.set(key, y);
};

/** Every row sees all keys: q f32 [rows, heads * dim] or the last columns of a wider matrix, k and v f32 [keys, kvHeads * dim]. */
function whole(engine: Engine, dtype: KvType | WholeKvType, c: Case, q: Given, k: Given, v: Given): Float32Array {
  const { heads, kvHeads, dim } = c;
  const keys = k.shape[0]!;
  const r = runGraph(engine, [q, k, v], (g, [tq, tk, tv]) => {
    const cache = kvCache(g, 'cache', dtype, kvHeads, keys, dim);
    g.addAll(kvWrite, [tk!, tv!, cache.k, cache.v], { heads: kvHeads, dim, at: 0 });
    const window = columns(tq!, q.shape[1]! - heads * dim, heads * dim);
    return [g.add(attention, [window, cache.k, cache.v], { ...c, scale: dim ** -0.5, causal: false, past: 0, keys })];
  });
  const y = r.read();
  r.done();
  return y;
}

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
      [1, 1, 36, 5, 577],
    ] as const) {
      test(`attention ${name} ${dtype} ${heads}/${kvHeads} x ${dim}, ${rows} rows over ${keys} keys`, () => {
        const [q, k, v] = [queries(rows * heads * dim, 1), random(keys * kvHeads * dim, 2), random(keys * kvHeads * dim, 3)];
        const shape = { heads, kvHeads, dim };
        // q is a window of a wider matrix; the cache lies in the poisoned arena.
        const wide = new Float32Array(rows * (heads * dim + 3));
        for (let r = 0; r < rows; r++) wide.set(q.subarray(r * heads * dim, (r + 1) * heads * dim), r * (heads * dim + 3) + 3);
        const [tk, tv] = [given(k, keys, kvHeads * dim), given(v, keys, kvHeads * dim)];
        const y = whole(engine, dtype, shape, given(wide, rows, heads * dim + 3), tk, tv);
        close(
          y,
          reference(q, k, v, shape, () => [0, keys]),
          tolerance[dtype],
          0,
        );
        sameBits(`${dtype} ${heads} ${dim} ${rows}`, y);
      });
    }

    if (dtype === 'kv-i16') continue;
    for (const c of [
      { heads: 2, kvHeads: 2, dim: 64 },
      { heads: 6, kvHeads: 2, dim: 20 },
      { heads: 2, kvHeads: 1, dim: 80, window: 9 },
      { heads: 1, kvHeads: 1, dim: 12, window: 70 },
      { heads: 19, kvHeads: 19, dim: 8 },
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
        // Few rows: several heads go over the pages together.
        assert.deepEqual(inChunks([10, 70, 148, 150, rows], poisonedPages), y);
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

test('attention in 16 bits: largest integers do not overflow, a flat softmax keeps its small weights', async () => {
  const [dim, keys] = [256, 1000];
  const c = { heads: 1, kvHeads: 1, dim };
  const matrix = (x: Float32Array) => given(x, x.length / dim, dim);
  const full = (rows: number, value: number) => matrix(new Float32Array(rows * dim).fill(value));
  const v = random(keys * dim, 8);
  const mean = new Float64Array(dim);
  v.forEach((x, i) => {
    mean[i % dim]! += x / keys;
  });
  const one = new Float32Array(keys * dim).fill(1, 500 * dim, 501 * dim);
  for (const { engine } of await engines()) {
    const attend = (q: number, k: Given, v: Given) => whole(engine, 'kv-i16', c, full(1, q), k, v);
    close(attend(3, full(keys, 1), full(keys, 1)), new Float32Array(dim).fill(1), 3e-6, 0, 'ones');
    close(attend(3, full(keys, 1), matrix(v)), mean, 1e-4, 0, 'flat');
    close(attend(30, matrix(one), matrix(v)), v.subarray(500 * dim, 501 * dim), 6e-4, 0, 'one key takes all');
    close(attend(3, full(keys, 1), full(keys, 0)), new Float32Array(dim), 0, 0, 'zeros');
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
  const i16 = Object.values(fixedKv('whole', 'kv-i16', 2, 16, 16));
  assert.throws(() => attention.outputs([q, ...i16], { ...base, causal: true }), /kv-i16 is one piece without a mask: got whole keys/);
  assert.throws(() => attention.outputs([q, k, v], { ...base, causal: true, keys: 3 }), /keys are given when not causal/);
  assert.throws(() => attention.outputs([q, k, v], { ...base, heads: 3, causal: true }), /needs 3 heads of 16 columns: got q f32\[2, 64\]/);
});
