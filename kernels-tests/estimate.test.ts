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
import { withDynamic, withMoe, withMqt, withPlain, withUhd } from './models/tinyModels.ts';

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

const FAMILIES: readonly [name: string, family: <T>(body: (dir: string) => Promise<T>) => Promise<T>][] = [
  ['LLaVA', (body) => withPlain(body)],
  ['a mixture', withMoe],
  ['MQT', (body) => withMqt(body, {}, 2)],
  ['UHD', (body) => withUhd(body, {}, 2)],
  ['Dynamic-LLaVA', (body) => withDynamic(body)],
];

for (const [name, family] of FAMILIES) {
  for (const stageBytes of [undefined, 1]) {
    test(`${name}${stageBytes ? ', a memory for each layer' : ''}: the map is what loading and a question take`, () =>
      family(async (dir) => {
        const options = { context: 512, threads: 1, ...(stageBytes === undefined ? {} : { stageBytes }) };
        const size = { width: 90, height: 60 };
        const checkpoint = await openCheckpointFrom(nodePlatform, dir, {});
        const { memory } = await estimate(nodePlatform, checkpoint, { ...options, picture: size, textRows: 20 });
        await checkpoint.files.close();

        await using llava = await Llava.load(dir, { ...options, conversation: 'vicuna_v1' });
        const image = { ...size, data: new Uint8Array(90 * 60 * 3) };
        const content = [
          { type: 'image' as const, image },
          { type: 'text' as const, text: 'what?' },
        ];
        const reply = llava.chat([{ role: 'user', content }], { maxTokens: 2 });
        await reply.text();
        const { kvMemory } = await reply.usage;

        const taken = llava.engine.memories.map((m) => m.heap.taken);
        const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
        assert.equal(taken.length, memory.memories.length);
        assert.ok(stageBytes === undefined || taken.length > 2);
        // A page of cells, and up to 64 bytes for each piece.
        const small = 4096 + 2048;
        taken.forEach((n, i) => {
          assert.ok(n <= memory.memories[i]! + small + memory.records, `memory ${i}: ${n}, estimated ${memory.memories[i]}`);
        });
        // The map has the cache of the whole context, a question takes pages of it.
        const more = sum(taken) - kvMemory - (sum(memory.memories) - memory.cache);
        assert.ok(more >= 0 && more <= small * taken.length + memory.records, `${more} bytes more than estimated`);
      }));
  }
}

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

  const machine = 16 * 2 ** 30;
  // Its cache of 2 GiB makes two stages, its tower has a memory of its own.
  assert.equal(e.memory.memories.length, 3);
  assert.ok(e.memory.memories.every((n) => n < 2 ** 32));
  assert.equal((await advise(nodePlatform, checkpoint, options, e, limitOf('node', machine))).fits, true);
  const browser = await advise(nodePlatform, checkpoint, options, e, limitOf('browser', machine));
  assert.equal(browser.fits, false);
  assert.ok(browser.steps.at(-1)!.fits, JSON.stringify(browser.steps));
  const edge = await advise(nodePlatform, checkpoint, options, e, limitOf('edge', machine));
  assert.ok(edge.steps.length > 0 && edge.steps.every((s) => !s.fits));
  await checkpoint.files.close();
});

/** What a picture and the question after it cost, in TFLOP, and the rows that stand for the picture. */
async function request(shape: string, options: object) {
  const checkpoint = await openCheckpointFrom(nodePlatform, hollow(shape));
  const e = await estimate(nodePlatform, checkpoint, { context: 2048, ...options });
  await checkpoint.files.close();
  return { parameters: e.parameters, rows: e.picture!.rows, picture: e.picture!.flops / 1e12, prefill: e.prefill.flops / 1e12 };
}

test('MQT and UHD: parameters and work of the released models, by their specs', async () => {
  const near = (got: number, want: number, what: string) =>
    assert.ok(Math.abs(got / want - 1) < 0.02, `${what}: got ${got}, expected ${want}`);
  const vicuna7 = 6738415616;
  const vicuna13 = 13015864320;
  // CLIP without its last layer, which nothing reads.
  const tower = 303507456 - 12596224 - 2048;

  for (const [visualTokens, prefill] of [
    [256, 3.774],
    [16, 0.623],
  ] as const) {
    const mqt = await request('mqt-llava-7b', { textRows: 32, picture: { width: 640, height: 480 }, visualTokens });
    assert.equal(mqt.parameters, vicuna7 + tower + 2 * 256 * 1024 + 4 * 1024 * 1025 + 6 * 1024 + 1024 * 4096);
    assert.equal(mqt.rows, visualTokens);
    near(mqt.picture, 0.37, 'tower and resampler');
    near(mqt.prefill, prefill, 'prefill');
  }

  // Without the keys' bias, which falls out of the softmax.
  const resampler = (queries: number) => 2 * queries * 5120 + 5120 * 1024 + 4 * 5120 * 5120 + 3 * 5120 + 6 * 5120 + 5120 * 5120;
  const picture = { width: 672, height: 1008 };
  const released = await request('llava-uhd-13b', { textRows: 0, picture, preResize: null });
  assert.equal(released.parameters, vicuna13 + tower + resampler(144));
  assert.equal(released.rows, 7 * 144 + 6);
  near(released.prefill, 26.573, 'prefill');
  // Projections before the sampling: 89 GFLOP a slice.
  near(released.picture, 7 * (0.366 + 0.089), 'tower and resampler');
  const paper = await request('llava-uhd-paper-13b', { textRows: 0, picture });
  assert.equal(paper.parameters, vicuna13 + tower + resampler(64));
  assert.equal(paper.rows, 7 * 64 + 6);
  near(paper.prefill, 11.689, 'prefill');
  near(paper.picture, 7 * (0.366 + 0.0773), 'tower and resampler');
});

for (const [shape, memories] of [
  ['llava-1.5-13b', 3],
  ['mqt-llava-7b', 2],
  ['llava-uhd-7b', 2],
] as const) {
  test(`${shape}: the memories that it takes`, async () => {
    const checkpoint = await openCheckpointFrom(nodePlatform, hollow(shape));
    const e = await estimate(nodePlatform, checkpoint, { context: 1024, cacheType: 'kv-q8', chunk: 128, picture: null });
    assert.equal(e.memory.memories.length, memories, e.memory.memories.join());
    const sum = e.memory.memories.reduce((a, b) => a + b, 0);
    assert.ok(
      e.memory.memories.every((n) => n > 0 && n < 2 ** 32) && sum >= e.memory.total - e.memory.records,
      `${sum}, ${e.memory.total}`,
    );
    await checkpoint.files.close();
  });
}
