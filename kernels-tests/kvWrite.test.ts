import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columns, fixedTensor, newCell } from '../src/graph/graph.ts';
import { fixedKv, type Kv, type KvType, pagedKv, readKv, setKvRows, type WholeKvType } from '../src/graph/kv.ts';
import { kvWrite } from '../src/graph/ops/kvWrite.ts';
import { close, engines, given, random, runGraph } from './harness.ts';

/** [rows, heads * dim] as [heads, rows, dim]. */
const byHead = (x: Float32Array, rows: number, heads: number, dim: number): Float32Array =>
  Float32Array.from(x, (_, i) => x[(Math.floor(i / dim) % rows) * heads * dim + Math.floor(i / (rows * dim)) * dim + (i % dim)]!);

/** Error bounds of a cache type for values of -1..1: none; 10 bits of fraction; half a step of 1/127 or 1/2047 of a row's largest value. */
const tolerance: Record<KvType | WholeKvType, readonly [atol: number, rtol: number]> = {
  'kv-f32': [0, 0],
  'kv-f16': [2 ** -18, 2 ** -11],
  'kv-q8': [0.5001 / 127, 0],
  'kv-i16': [0.5005 / 2047, 0],
};
const bits = new Map<string, Float32Array>();

for (const { name, engine } of await engines()) {
  for (const dtype of ['kv-f32', 'kv-f16', 'kv-q8', 'kv-i16'] as const) {
    for (const [heads, dim] of [
      [2, 64],
      [3, 20],
      [1, 12],
      [2, 7],
    ] as const) {
      const ROWS = 131;
      test(`kvWrite ${name} ${dtype} ${heads} x ${dim}, in one piece and in pages`, () => {
        written(fixedKv('cache', dtype, heads, ROWS, dim));
        if (dtype !== 'kv-i16') written(pagedKv('cache', dtype, heads, ROWS, dim));
      });

      const written = (cache: Kv) => {
        const width = heads * dim;
        if (cache.k.storage.pageBytes !== undefined) setKvRows(engine, cache, ROWS);
        const at = newCell('at', ROWS);
        const [k, v] = [random(ROWS * width, 3), random(ROWS * width, 4)];
        for (const [from, rows] of [
          [0, 3],
          [3, 1],
          [4, 9],
          [13, 8],
          [21, 60],
          [81, 50],
        ] as const) {
          // k and v lie side by side, as one matmul leaves them.
          const both = new Float32Array(rows * 2 * width);
          for (let r = 0; r < rows; r++) {
            both.set(k.subarray((from + r) * width, (from + r + 1) * width), 2 * r * width);
            both.set(v.subarray((from + r) * width, (from + r + 1) * width), (2 * r + 1) * width);
          }
          engine.setCell(at, from);
          runGraph(engine, [given(both, rows, 2 * width)], (g, [x]) => {
            g.addAll(kvWrite, [columns(x!, 0, width), columns(x!, width, width), cache.k, cache.v], { heads, dim, at });
            return [];
          }).done();
        }
        const got = readKv(engine, cache, ROWS);
        close(got.k, byHead(k, ROWS, heads, dim), ...tolerance[dtype], 'k');
        close(got.v, byHead(v, ROWS, heads, dim), ...tolerance[dtype], 'v');
        const key = `${dtype} ${heads} ${dim}`;
        assert.deepEqual(got.k, bits.get(key) ?? got.k);
        bits.set(key, got.k);
        for (const t of [cache.k, cache.v]) engine.release(t.storage);
      };
    }
  }
}

test('kvWrite names the cache when it does not fit', () => {
  const x = fixedTensor('k', 'f32', [2, 64]);
  const { k, v } = fixedKv('cache', 'kv-f16', 2, 16, 16);
  assert.throws(
    () => kvWrite.outputs([x, x, k, v], { heads: 2, dim: 32, at: 0 }),
    /caches of 2 heads of 32: got cache keys kv-f16\[2, 16, 16\]/,
  );
  assert.throws(
    () => kvWrite.outputs([x, x, ...Object.values(fixedKv('c', 'kv-f16', 2, 16, 32))], { heads: 2, dim: 32, at: 15 }),
    /more rows than the cache holds/,
  );
});
