// FastV over a session: what is kept, what is reused, and what the caches hold; and the options of all methods.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGguf } from '../../src/formats/gguf.ts';
import { type ImageRows, type Piece, Session } from '../../src/generate/session.ts';
import { openGgufPair } from '../../src/models/ggufLayout.ts';
import type { ModelOptions } from '../../src/models/model.ts';
import { fastvKeeps, parsePruning, pruningAt } from '../../src/models/pruning.ts';
import { openModel } from '../../src/models/registry.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { fileSource } from '../../src/runtime/nodeFiles.ts';
import { Programs } from '../../src/runtime/programs.ts';
import { fixture } from '../fixtures.ts';
import { random } from '../harness.ts';

const ROWS = 9;
const open = async () => openGgufPair(await openGguf(fileSource(join(fixture('models/gguf/llama-q4_0'), 'model.gguf'))));

async function withSession<T>(options: ModelOptions, body: (s: Session, picture: ImageRows) => Promise<T>): Promise<T> {
  const checkpoint = await open();
  const engine = await Engine.create(nodePlatform, { threads: 0, simulatedThreads: 2, maximumPages: 1024 });
  try {
    const model = await openModel(checkpoint, { context: 64, ...options });
    const { hidden } = model.decoder.backbone;
    const picture = { key: 'picture', features: random(ROWS * hidden, 7), rows: ROWS };
    return await body(new Session(new Programs(engine, model.weights), model.decoder), picture);
  } finally {
    await engine.dispose();
    await checkpoint.files.close();
  }
}

const prompt = (picture: ImageRows, ...question: number[]): Piece[] => [1, 20, 31, picture, ...question];

test('FastV that drops nothing changes nothing', async () => {
  const answer = (options: ModelOptions) =>
    withSession(options, async (s, p) => [(await s.prefill(prompt(p, 40, 41))).logits, await s.step(50), await s.step(51)]);
  assert.deepEqual(await answer({ prune: { method: 'fastv', k: 1, r: 0 } }), await answer({}));
});

for (const cacheType of ['kv-f32', 'kv-f16', 'kv-q8'] as const) {
  test(`FastV: rows and bytes of the caches, ${cacheType}`, async () => {
    await withSession({ cacheType, prune: { method: 'fastv', k: 1, r: 0.5 } }, async (s, p) => {
      await s.prefill(prompt(p, 40, 41));
      const layers = s.decoder.backbone.layers;
      const dense = 5 + ROWS;
      assert.equal(
        s.kept(p)!.reduce((n, x) => n + x, 0),
        4,
      );
      assert.deepEqual(s.cacheRows, [dense, ...new Array<number>(layers - 1).fill(dense - 5)]);
      await s.step(50);
      assert.deepEqual(s.cacheRows, [dense + 1, ...new Array<number>(layers - 1).fill(dense - 4)]);
      const { kept, dense: all } = s.kvBytes;
      assert.ok(Math.abs(kept / all - (dense + 1 + (layers - 1) * (dense - 4)) / (layers * (dense + 1))) < 1e-12);
    });
  });
}

test('FastV: a prompt that parts behind the picture is decided anew, one that goes on is not', async () => {
  const options: ModelOptions = { prune: { method: 'fastv', k: 1, r: 0.5 } };
  const fresh = await withSession(options, async (s, p) => (await s.prefill(prompt(p, 60, 61, 62))).logits);
  await withSession(options, async (s, p) => {
    await s.prefill(prompt(p, 40, 41));
    await s.step(50);
    const other = await s.prefill(prompt(p, 60, 61, 62));
    assert.equal(other.reused, 0);
    assert.deepEqual(other.logits, fresh);
    await s.step(50);
    const on = await s.prefill(prompt(p, 60, 61, 62, 50, 70, 71));
    assert.equal(on.reused, 3 + ROWS + 4);
  });
});

test('FastV: a picture stays in one chunk', async () => {
  const options = (chunk: number): ModelOptions => ({ chunk, prune: { method: 'fastv', k: 1, r: 0.5 } });
  const rows = (chunk: number) =>
    withSession(options(chunk), async (s, p) => {
      await s.prefill(prompt(p, 40, 41));
      return s.cacheRows;
    });
  assert.deepEqual(await rows(10), await rows(64));
  await assert.rejects(rows(8), /a picture must fit into one: got more than 8 rows/);
});

test('FastV without a cache ranks the rows at every token', async () => {
  const options = (cache: boolean): ModelOptions => ({ prune: { method: 'fastv', k: 1, r: 0.5, cache } });
  const again = await withSession(options(true), async (s, p) => (await s.prefill(prompt(p, 40, 41, 50))).logits);
  const step = await withSession(options(false), async (s, p) => {
    await s.prefill(prompt(p, 40, 41));
    return s.step(50);
  });
  assert.deepEqual(step, again);
});

test('memory: layers with dropped rows take fewer pages, and give them back', async () => {
  const ROWS_OF_PAGE = 64;
  const taken = (options: ModelOptions) =>
    withSession({ context: 512, ...options }, async (s, p) => {
      await s.prepare();
      const { heap } = s.programs.engine;
      const before = heap.taken;
      const long: ImageRows = { key: 'long', rows: 40 * ROWS, features: random(40 * p.features.length, 8) };
      await s.prefill(prompt(long, 40, 41));
      const held = heap.taken - before;
      const { kept, dense, memory } = s.kvBytes;
      assert.ok(memory >= kept && memory <= held && held - memory < 4096, `${kept} <= ${memory} <= ${held}`);
      assert.deepEqual(
        s.cacheRows.map((n) => Math.ceil(n / ROWS_OF_PAGE)),
        s.decoder.caches.map((c) => s.programs.engine.memoryOf(c.v.storage).pages(c.v.storage).length),
      );
      s.truncate(0);
      assert.ok(heap.taken - before < 4096);
      return { memory, dense, layers: s.cacheRows.length };
    });
  const all = await taken({});
  const few = await taken({ prune: { method: 'fastv', k: 1, r: 0.75 } });
  assert.equal(few.dense, all.dense);
  // 365 rows are 6 pages, 95 are 2.
  assert.equal(few.memory / all.memory, (6 + 2 * (all.layers - 1)) / (6 * all.layers));
});

test('a conversation is as long as the context, or as the memory is large', async () => {
  await withSession({ context: 16 }, async (s) => {
    await s.prefill([1, 20, 31]);
    assert.equal(s.room, 13);
    await assert.rejects(
      s.prefill(Array.from({ length: 17 }, () => 5)),
      /context: is full: got 17 rows, the cache holds 16: load with a larger context/,
    );
  });
  const pages = 32;
  await withSession({ context: 4096, chunk: 16 }, async (s) => {
    await s.prepare();
    await s.prefill([1, 20, 31]);
    const { engine } = s.programs;
    const { pageBytes } = s.decoder.caches[0]!.k.storage;
    // Fills the memory but for some pages.
    const free = engine.heap.fits(pageBytes!);
    engine.heap.allocate((free - pages) * pageBytes!, 'a guest');
    assert.equal(s.room, 61 + 64 * Math.floor(pages / (2 * s.decoder.backbone.layers)));
    const before = s.kvBytes.memory;
    await assert.rejects(s.prefill(Array.from({ length: 2000 }, () => 5)), /memory: no room for layer \d+ (keys|values)/);
    assert.ok(s.kvBytes.memory <= before + pages * pageBytes!);
    await s.prefill([1, 20, 31, 40]);
  });
});

test('what does not fit is refused', async () => {
  const checkpoint = await open();
  await assert.rejects(openModel(checkpoint, { prune: { method: 'fastv', k: 0 } }), /k must be a layer from 1 to/);
  await assert.rejects(openModel(checkpoint, { prune: { method: 'fastv', k: 1, r: 2 } }), /r must be a share from 0 to 1: got 2/);
  await checkpoint.files.close();
});

test('the options of --prune', () => {
  assert.deepEqual(parsePruning('fastv:3:0.75'), { method: 'fastv', k: 3, r: 0.75 });
  assert.deepEqual(parsePruning('visionzip:54:10'), { method: 'visionzip', dominant: 54, contextual: 10 });
  assert.deepEqual(parsePruning('prumerge-plus'), { method: 'prumerge-plus' });
  assert.deepEqual(parsePruning('tome:8'), { method: 'tome', r: 8 });
  assert.throws(() => parsePruning('fastv:x'), /numbers are expected after the method: got x/);
  assert.throws(() => parsePruning('sparsevlm'), /got sparsevlm, expected fastv:K:R/);
});

test('FastV rounds halves to the even number', () => {
  assert.deepEqual(
    [5, 7, 36, 576, 0].map((n) => fastvKeeps(n, { r: 0.5 })),
    [2, 4, 18, 288, 0],
  );
  assert.equal(fastvKeeps(36, { keep: 9 }), 9);
});

test('a share as the numbers of each method', () => {
  const tower = { patches: 64, layers: 6 };
  assert.deepEqual(pruningAt({ method: 'fastv', k: 1 }, 0.25, tower), { method: 'fastv', k: 1, r: 0.75 });
  assert.deepEqual(pruningAt({ method: 'visionzip' }, 0.5, tower), { method: 'visionzip', dominant: 27, contextual: 5 });
  assert.deepEqual(pruningAt({ method: 'tome' }, 0.5, tower), { method: 'tome', r: 5 });
  assert.throws(() => pruningAt({ method: 'prumerge' }, 0.5, tower), /prumerge finds its own number of rows/);
  assert.throws(() => pruningAt({ method: 'fastv' }, 0, tower), /keep: must be a share above 0, 1 at most: got 0/);
});
