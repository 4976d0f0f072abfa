// The same model and prompt give the same bits on every build and thread count, inline or in workers, however the prefill is cut.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGguf } from '../src/formats/gguf.ts';
import { bufferSource } from '../src/formats/source.ts';
import type { StorageType } from '../src/formats/tensors.ts';
import { Session } from '../src/generate/session.ts';
import { openGgufPair } from '../src/models/ggufLayout.ts';
import { openModel } from '../src/models/registry.ts';
import { synthModel } from '../src/models/synth.ts';
import { Engine, type EngineOptions } from '../src/runtime/engine.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { Programs } from '../src/runtime/programs.ts';
import { builds } from './harness.ts';

const PROMPT = Array.from({ length: 61 }, (_, i) => (i * 37) % 320);
const STEPS = [3, 300, 7];

function model(type: StorageType): Uint8Array {
  const file = synthModel('overhead', type);
  const bytes = new Uint8Array(file.bytes);
  let at = 0;
  for (const piece of file.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Bits of the logits after the prompt and after each step. */
async function logits(
  bytes: Uint8Array,
  engineOptions: EngineOptions,
  chunk: number,
  cacheType: 'kv-f32' | 'kv-f16' | 'kv-q8',
): Promise<Uint32Array> {
  const checkpoint = openGgufPair(await openGguf(bufferSource(bytes)));
  const engine = await Engine.create(nodePlatform, engineOptions);
  try {
    const m = await openModel(checkpoint, { chunk, cacheType, context: 128 });
    const session = new Session(new Programs(engine, m.weights), m.decoder);
    const rows = [(await session.prefill(PROMPT)).logits];
    for (const id of STEPS) rows.push(await session.step(id));
    const all = new Float32Array(rows.flatMap((r) => [...r]));
    assert.ok(all.every(Number.isFinite), 'logits are finite');
    return new Uint32Array(all.buffer);
  } finally {
    await engine.dispose();
  }
}

for (const type of ['q4_0', 'q8_0', 'f16'] as const) {
  const bytes = model(type);
  for (const cacheType of ['kv-f32', 'kv-f16', 'kv-q8'] as const) {
    test(`${type} weights, ${cacheType}: the same bits everywhere`, async () => {
      const want = await logits(bytes, { threads: 0, build: 'simd' }, 64, cacheType);
      for (const build of builds) {
        for (const threads of [0, 1, 2, 3]) {
          assert.deepEqual(await logits(bytes, { threads, build }, 64, cacheType), want, `${build} build, ${threads} threads`);
        }
      }
      for (const chunk of [1, 7, 16])
        assert.deepEqual(await logits(bytes, { threads: 2 }, chunk, cacheType), want, `chunks of ${chunk} rows`);
    });
  }
}
