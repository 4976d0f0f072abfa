// Hooks that say what would happen anyway change nothing, over prefill, decode and shared prefixes.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGguf } from '../../src/formats/gguf.ts';
import { Session } from '../../src/generate/session.ts';
import { newCell } from '../../src/graph/graph.ts';
import { rowsOf } from '../../src/graph/tensor.ts';
import { Weights } from '../../src/graph/weights.ts';
import { type Hooks, keepRows } from '../../src/models/backbone.ts';
import { backboneOf } from '../../src/models/backbones.ts';
import { cachedAttention } from '../../src/models/block.ts';
import { Decoder } from '../../src/models/decoder.ts';
import { openGgufPair } from '../../src/models/ggufLayout.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { fileSource } from '../../src/runtime/nodeFiles.ts';
import { Programs } from '../../src/runtime/programs.ts';
import { fixture } from '../fixtures.ts';

const CONTEXT = 64;

async function logits(
  name: string,
  hooksOf: (b: ReturnType<typeof backboneOf>) => Hooks,
): Promise<{ logits: Float32Array[]; reused: number }> {
  const checkpoint = openGgufPair(await openGguf(fileSource(join(fixture(`models/gguf/${name}`), 'model.gguf'))));
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    const weights = Weights.over(checkpoint.files);
    const backbone = backboneOf(checkpoint.config);
    const decoder = new Decoder(weights, backbone, { context: CONTEXT, chunk: 4, cacheType: 'kv-f16' }, hooksOf(backbone));
    const session = new Session(new Programs(engine, [weights]), decoder);
    const first = await session.prefill([1, 20, 31, 42, 53, 64]);
    const step = await session.step(75);
    const second = await session.prefill([1, 20, 31, 42, 53, 99, 98]);
    return { logits: [first.logits, step, second.logits], reused: second.reused };
  } finally {
    await engine.dispose();
    await checkpoint.files.close();
  }
}

/** Layers from the second on get all rows once more, gathered, with a cache length of their own that the run must report. */
function gathered(): Hooks {
  const past = newCell('past of the sparse layers', CONTEXT);
  const added = newCell('rows of the sparse layers', CONTEXT);
  return {
    groups: [{ past, added }],
    beforeLayer: (g, i, s) => (i === 1 ? keepRows(g, s, g.input('kept', 'i32', [rowsOf(s.x.shape), 1]), past) : s),
    beforeRun({ engine, program, rows }) {
      engine.write(
        program,
        'kept',
        Int32Array.from(rows, (_, i) => i),
      );
      engine.setCell(added, rows.length);
    },
  };
}

for (const name of ['llama-q4_0', 'phi2-unfused-f32', 'stablelm-q8_0-parallel-qknorm']) {
  test(`hooks: FFN and attention of the backbone itself, ${name}`, async () => {
    const plain = await logits(name, () => ({}));
    assert.equal(plain.reused, 5);
    const same = await logits(name, (b) => ({
      ffn: (g, _, w, h, residual) => b.ffn(g, w, h, residual),
      attend: (g, _, a) => cachedAttention(g, a),
    }));
    assert.deepEqual(same, plain);
  });

  test(`hooks: rows gathered before a layer, with a cache length of their own, ${name}`, async () => {
    const plain = await logits(name, () => ({}));
    const same = await logits(name, gathered);
    assert.deepEqual(same.logits, plain.logits);
    assert.equal(same.reused, 4, 'back to the end of the first chunk: the row where the prompts part lies within the second');
  });
}
