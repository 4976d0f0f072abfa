// Estimates against what loading and running really takes, and for models that are not there: files of the right size with nothing in them.

import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { advise, limitOf } from '../src/estimate/advice.ts';
import { estimate } from '../src/estimate/estimate.ts';
import { Llava } from '../src/index.ts';
import { openCheckpointFrom } from '../src/models/open.ts';
import { synthModel } from '../src/models/synth.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { fixture } from './fixtures.ts';

const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const MMPROJ = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const directory = mkdtempSync(join(tmpdir(), 'pumice-plan-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('what is estimated is what a run takes', async () => {
  const checkpoint = await openCheckpointFrom(nodePlatform, MODEL, { mmproj: MMPROJ });
  const text = 20;
  const e = await estimate(nodePlatform, checkpoint, { threads: 1, textRows: text, picture: { width: 90, height: 60 } });
  await checkpoint.files.close();

  const llava = await Llava.load(MODEL, { mmproj: MMPROJ, threads: 1 });
  const image = { width: 90, height: 60, data: new Uint8Array(90 * 60 * 3) };
  const reply = llava.chat(
    [
      {
        role: 'user',
        content: [
          { type: 'image', image },
          { type: 'text', text: 'what?' },
        ],
      },
    ],
    { maxTokens: 2 },
  );
  await reply.text();
  const usage = await reply.usage;
  assert.equal(e.picture?.rows, usage.imageTokens);
  assert.equal(e.picture?.flops, usage.encodeFlops);
  const { used } = llava.engine.heap;
  // Cells, alignment and pieces that were free for a while come on top.
  assert.ok(e.memory.total <= used && used < 1.5 * e.memory.total + 2 ** 18, `estimated ${e.memory.total}, used ${used}`);
  await llava.dispose();
});

/** A file with a head and holes. */
function hollow(shape: string): string {
  const path = join(directory, `${shape}.gguf`);
  const file = synthModel(shape, 'q4_0');
  const handle = openSync(path, 'w');
  writeSync(handle, file.pieces().next().value as Uint8Array);
  ftruncateSync(handle, file.bytes);
  closeSync(handle);
  return path;
}

test('7B in four bits: known sizes, and what makes it fit', async () => {
  const checkpoint = await openCheckpointFrom(nodePlatform, hollow('llava-1.5-7b'));
  const options = { context: 4096, textRows: 64, picture: { width: 640, height: 480 } };
  const start = performance.now();
  const e = await estimate(nodePlatform, checkpoint, options);
  assert.ok(performance.now() - start < 10_000);
  // Vicuna, CLIP's 23 layers, and the projector.
  assert.equal(e.parameters - 6738415616, 311888896);
  assert.ok(Math.abs(e.memory.weights / (3.79e9 + 0.62e9) - 1) < 0.02, `${e.memory.weights}`);
  assert.equal(e.picture?.rows, 576);
  assert.equal(e.memory.cachePerRow, 2 * 32 * 4096 * 2);
  // Every weight but the embedding table's is used once by a token.
  assert.ok(Math.abs(e.token.flops / (2 * 6.6e9) - 1) < 0.05, `${e.token.flops}`);
  assert.ok(Math.abs(e.prefill.flops / (640 * 2 * 6.5e9) - 1) < 0.05, `${e.prefill.flops}`);

  const node = await advise(nodePlatform, checkpoint, options, e, limitOf('node'));
  assert.equal(node.fits, false);
  assert.ok(node.steps.at(-1)!.fits, JSON.stringify(node.steps));
  const edge = await advise(nodePlatform, checkpoint, options, e, limitOf('edge'));
  assert.ok(edge.steps.length > 0 && edge.steps.every((s) => !s.fits));
  await checkpoint.files.close();
});
