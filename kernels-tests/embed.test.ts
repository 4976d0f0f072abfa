import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StorageType } from '../src/formats/tensors.ts';
import { fixedTensor } from '../src/graph/graph.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { type BlockType, PACKED_BLOCKS, type PackedType } from '../src/graph/tensor.ts';
import { engines, given, random, runGraph } from './harness.ts';
import { packed, weight } from './matmul.ts';

const TABLES: readonly (readonly [StorageType, PackedType, number])[] = [
  ['f32', 'packed-f32', 33],
  ['f16', 'packed-f16', 33],
  ['bf16', 'packed-bf16', 33],
  ['q8_0', 'packed-q8', 96],
  ['q4_0', 'packed-q4', 96],
  ...(Object.keys(PACKED_BLOCKS) as BlockType[]).map((t) => [t.slice(7) as StorageType, t, 2 * PACKED_BLOCKS[t].cols] as const),
];

const all = await engines();
for (const [from, dtype, cols] of TABLES) {
  test(`embed from ${dtype}: exact rows, hidden rows for negative ids, row 0 for ids outside the table`, () => {
    const table = weight(from, 19, cols, 1);
    const ids = Int32Array.of(0, 18, -1, 7, 3, 12, -5, 19, 15);
    const hidden = random(ids.length * cols, 2);
    const want = Float32Array.from(hidden);
    ids.forEach((id, r) => {
      if (id >= 0) want.set(table.values.subarray((id % 19) * cols, ((id % 19) + 1) * cols), r * cols);
    });
    for (const { name, engine } of all) {
      const t = packed(engine, dtype, table);
      const r = runGraph(engine, [given(ids, ids.length, 1), given(hidden, ids.length, cols)], (g, [i, h]) => [
        g.add(embed, [i!, t, h!], {}),
      ]);
      assert.deepEqual(r.read(), want, name);
      r.done();
      engine.release(t.storage);
    }
  });
}

test('embed names the tensors when shapes do not fit', () => {
  const ids = fixedTensor('ids', 'i32', [4, 1]);
  const table = fixedTensor('embed_tokens', 'packed-q8', [100, 64]);
  assert.throws(
    () => embed.outputs([ids, table, fixedTensor('hidden', 'f32', [4, 32])], {}),
    /hidden f32\[4, 32\] for ids i32\[4, 1\] and embed_tokens packed-q8\[100, 64\]/,
  );
  assert.throws(
    () => embed.outputs([ids, fixedTensor('w', 'f32', [100, 64]), fixedTensor('hidden', 'f32', [4, 64])], {}),
    /table must be packed: got w f32/,
  );
});
