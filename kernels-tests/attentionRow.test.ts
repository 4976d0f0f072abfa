import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedTensor, newCell } from '../src/graph/graph.ts';
import { fixedKv, pagedKv, setKvRows } from '../src/graph/kv.ts';
import { attentionRow } from '../src/graph/ops/attentionRow.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

/** The definition, in f64: weights [heads, columns]. */
function reference(
  q: Float32Array,
  k: Float32Array,
  heads: number,
  kvHeads: number,
  dim: number,
  keys: number,
  columns: number,
): Float64Array {
  const out = new Float64Array(heads * columns);
  for (let h = 0; h < heads; h++) {
    const g = Math.floor((h * kvHeads) / heads);
    const scores = Array.from({ length: keys }, (_, j) => {
      let s = 0;
      for (let i = 0; i < dim; i++) s += q[h * dim + i]! * k[(j * kvHeads + g) * dim + i]!;
      return Math.exp(s * dim ** -0.5);
    });
    const sum = scores.reduce((a, b) => a + b, 0);
    scores.forEach((w, j) => {
      out[h * columns + j] = w / sum;
    });
  }
  return out;
}

const tolerance = { 'kv-f32': 1e-6, 'kv-f16': 5e-4, 'kv-q8': 0.01 } as const;
const bits = new Map<string, Float32Array>();

for (const { name, engine } of await engines()) {
  for (const dtype of ['kv-f32', 'kv-f16', 'kv-q8'] as const) {
    for (const [heads, kvHeads, dim, most, keys] of [
      [4, 2, 64, 150, 131],
      [3, 3, 20, 9, 9],
      [2, 1, 80, 70, 64],
      [2, 2, 7, 40, 1],
      [2, 2, 16, 5, 0],
    ] as const) {
      test(`attentionRow ${name} ${dtype} ${heads}/${kvHeads} x ${dim}, ${keys} of ${most} keys`, () => {
        const [q, k] = [random(heads * dim, 1).map((x) => 4 * x), random(most * kvHeads * dim, 2)];
        const cache = fixedKv('cache', dtype, kvHeads, most, dim);
        for (const t of [cache.k, cache.v]) engine.writeFixed(t, new Uint8Array(t.storage.bytes).fill(0xff));
        const seen = newCell('keys', most);
        engine.setCell(seen, keys);
        const written = given(k.slice(0, Math.max(keys, 1) * kvHeads * dim), Math.max(keys, 1), kvHeads * dim);
        const pages = pagedKv('pages', dtype, kvHeads, most, dim);
        setKvRows(engine, pages, most);
        const [y, paged] = [cache, pages].map((c) => {
          const r = runGraph(engine, [given(q, 1, heads * dim), written], (g, [tq, tk]) => {
            g.addAll(kvWrite, [tk!, tk!, c.k, c.v], { heads: kvHeads, dim, at: 0 });
            return [g.add(attentionRow, [tq!, c.k], { heads, kvHeads, dim, scale: dim ** -0.5, keys: seen })];
          });
          const weights = r.read();
          r.done();
          return weights;
        }) as [Float32Array, Float32Array];
        assert.deepEqual(paged, y);
        close(y, reference(q, k, heads, kvHeads, dim, keys, most), tolerance[dtype], 0);
        const key = `${dtype} ${dim} ${keys}`;
        assert.deepEqual(y, bits.get(key) ?? y);
        bits.set(key, y);
        for (const t of [cache.k, cache.v, pages.k, pages.v]) engine.release(t.storage);
      });
    }
  }
}

test('attentionRow names what does not fit', () => {
  const { k } = fixedKv('cache', 'kv-f16', 2, 16, 16);
  const params = { heads: 4, kvHeads: 2, dim: 16, scale: 1, keys: 16 };
  assert.throws(
    () => attentionRow.outputs([fixedTensor('q', 'f32', [2, 64]), k], params),
    /one row of 4 heads of 16 columns: got q f32\[2, 64\]/,
  );
  assert.throws(
    () => attentionRow.outputs([fixedTensor('q', 'f32', [1, 64]), k], { ...params, keys: 17 }),
    /more keys than the cache holds: got 17/,
  );
});
