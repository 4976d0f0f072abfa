// What drops rows, with everything else: each pair works, or is refused with a reason.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { convert } from '../../src/cli/convert.ts';
import type { ChatOptions, LoadOptions, Message, Usage } from '../../src/index.ts';
import { Llava } from '../../src/index.ts';
import type { Pruning } from '../../src/models/pruning.ts';
import { fixture } from '../fixtures.ts';
import { withDynamic, withMoe, withMqt, withPlain, withUhd } from './tinyModels.ts';

const FASTV: Pruning = { method: 'fastv', k: 1, r: 0.5 };
const ZIP: Pruning = { method: 'visionzip', dominant: 5, contextual: 3 };
const TOME: Pruning = { method: 'tome', r: 2 };
const PICTURE = readFileSync(fixture('image/rgb.png'));

const question = (pictures = 1, text = 'What is here?'): Message[] => [
  {
    role: 'user',
    content: [...Array.from({ length: pictures }, () => ({ type: 'image' as const, image: PICTURE })), { type: 'text', text }],
  },
];

const load = (dir: string, options: LoadOptions = {}) =>
  Llava.load(dir, { threads: 0, context: 2048, conversation: 'vicuna_v1', ...options });

interface Answer {
  readonly ids: number[];
  readonly logps: number[];
  readonly usage: Usage;
}

async function answer(llava: Llava, options: ChatOptions = {}, messages: readonly Message[] = question()): Promise<Answer> {
  const reply = llava.chat(messages, { maxTokens: 4, logprobs: 0, ...options });
  const ids: number[] = [];
  const logps: number[] = [];
  for await (const chunk of reply) {
    ids.push(...chunk.ids);
    logps.push(...(chunk.logprobs ?? []).map((t) => t.logprob));
  }
  return { ids, logps, usage: await reply.usage };
}

async function asked(dir: string, options: LoadOptions = {}, chat: ChatOptions = {}, messages?: readonly Message[]): Promise<Answer> {
  await using llava = await load(dir, options);
  return await answer(llava, chat, messages);
}

const withAnyres = <T>(body: (dir: string) => Promise<T>): Promise<T> =>
  withPlain(body, { image_aspect_ratio: 'anyres', mm_patch_merge_type: 'flat', image_grid_pinpoints: [[56, 112]] });
const FAMILIES: readonly [name: string, family: <T>(body: (dir: string) => Promise<T>) => Promise<T>][] = [
  ['LLaVA-1.5', (body) => withPlain(body)],
  ['LLaVA-1.6, tiles', withAnyres],
  ['a mixture', withMoe],
  ['MQT', (body) => withMqt(body, {}, 2)],
  ['UHD', (body) => withUhd(body, {}, 2)],
];

for (const [name, family] of FAMILIES) {
  test(`FastV with ${name}: nothing dropped changes nothing, half dropped is half of the second layer's picture rows`, async () => {
    await family(async (dir) => {
      const plain = await asked(dir);
      const all = await asked(dir, { prune: { ...FASTV, r: 0 } });
      assert.deepEqual([all.ids, all.logps], [plain.ids, plain.logps]);
      const half = await asked(dir, { prune: FASTV });
      const { imageTokens: n, kvBytes, kvBytesDense, kvMemory } = half.usage;
      assert.equal(kvBytesDense, plain.usage.kvBytes);
      const row = kvBytesDense / 2 / (half.usage.promptTokens + half.ids.length - 1);
      assert.equal(Math.round((kvBytesDense - kvBytes) / row), Math.ceil(n / 2));
      assert.ok(kvMemory <= plain.usage.kvMemory);
      assert.ok(half.usage.prefillFlops < plain.usage.prefillFlops);
      assert.notDeepEqual(half.logps, plain.logps);
    });
  });
}

for (const cacheType of ['kv-f32', 'kv-q8'] as const) {
  test(`FastV: an answer is scored as it would have been given, ${cacheType}`, async () => {
    await withPlain(async (dir) => {
      const scored = async (text: string, prune?: Pruning) => {
        await using llava = await load(dir, { cacheType, ...(prune && { prune }) });
        return (await llava.score([...question(), { role: 'assistant', content: text }])).tokens;
      };
      assert.deepEqual(await scored('a red ball', { ...FASTV, r: 0 }), await scored('a red ball'));
      const [short, long] = [await scored('a red ball', FASTV), await scored('a red ball on a green lawn', FASTV)];
      // The question alone decides what is dropped: what follows in the answer changes nothing.
      assert.deepEqual(short.slice(0, 4), long.slice(0, 4));
      assert.notDeepEqual(short, await scored('a red ball'));
    });
  });
}

test('FastV, VisionZip and ToMe take several pictures; Dynamic-LLaVA takes one', async () => {
  await withPlain(async (dir) => {
    const rows = (a: Answer) => [a.usage.imageTokens, a.usage.kvBytesDense - a.usage.kvBytes];
    const [, one] = rows(await asked(dir, { prune: FASTV }));
    assert.deepEqual(rows(await asked(dir, { prune: FASTV }, {}, question(2))), [32, 2 * one!]);
  });
  const tiny = fixture('models/gguf/llava15-tiny/model.gguf');
  const mmproj = fixture('models/gguf/llava15-tiny/mmproj.gguf');
  const all = (await asked(tiny, { mmproj })).usage.imageTokens;
  assert.equal((await asked(tiny, { mmproj, prune: ZIP }, {}, question(2))).usage.imageTokens, 2 * 8);
  assert.ok((await asked(tiny, { mmproj, prune: TOME }, {}, question(2))).usage.imageTokens < 2 * all);
  await assert.rejects(
    asked(tiny, { mmproj, prune: { method: 'prumerge', neighbours: 4 } }),
    /needs layer \d of the tower, which this file leaves out/,
  );
  await withDynamic((dir) => assert.rejects(asked(dir, {}, {}, question(2)), /takes one picture in a conversation: got 2/));
});

test('methods of the tower are refused where all rows are needed', async () => {
  const refused = (prune: Pruning, reason: RegExp) => (dir: string) => assert.rejects(asked(dir, { prune }), reason);
  await withAnyres(refused(ZIP, /visionzip: does not meet llava-1.6: its tiles are put together as one grid; fastv does/));
  await withMqt(refused(TOME, /tome: does not meet mqt-llava: its queries look at places of the whole grid/));
  await withUhd(refused(ZIP, /visionzip: does not meet .*uhd.*: its resampler looks at places of the whole grid/));
  await withDynamic(refused(FASTV, /fastv: does not meet Dynamic-LLaVA.*switch that off/));
});

test('methods of the tower: with mixtures, and not without a class row', async () => {
  await withMoe(async (dir) => {
    assert.equal((await asked(dir, { prune: ZIP })).usage.imageTokens, 8);
    assert.equal((await asked(dir, { prune: TOME })).usage.imageTokens, 14);
  });
  await withPlain(async (dir) => {
    const file = join(dir, 'vision_tower', 'config.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), model_type: 'siglip_vision_model' }));
    await assert.rejects(asked(dir, { prune: ZIP }), /visionzip: needs a tower with a class row: got siglip_vision_model, expected CLIP/);
  });
});

test('a saved state goes on with the rows that were kept', async () => {
  for (const [family, options] of [
    [withPlain, { prune: FASTV }],
    [withDynamic, {}],
  ] as const) {
    await family(async (dir) => {
      const on = (llava: Llava, before: readonly Message[]) => answer(llava, {}, [...before, { role: 'user', content: 'And where?' }]);
      await using first = await load(dir, options);
      const text = await first.chat(question(), { maxTokens: 4 }).text();
      const state = await first.saveState();
      const want = await on(first, [...question(), { role: 'assistant', content: text }]);
      await using second = await load(dir, options);
      const got = await on(second, await second.restoreState(state));
      assert.deepEqual([got.ids, got.logps, got.usage.kvBytes], [want.ids, want.logps, want.usage.kvBytes]);
      assert.ok(got.usage.cachedTokens > 0);
    });
  }
});

test('beams: what is dropped goes with its beam', async () => {
  for (const family of [
    <T>(body: (dir: string) => Promise<T>) => withPlain(body),
    <T>(body: (dir: string) => Promise<T>) => withDynamic(body),
  ]) {
    await family(async (dir) => {
      const isDynamic = (await load(dir)).model.name === 'dynamic-llava';
      const options: LoadOptions = isDynamic ? {} : { prune: FASTV };
      const one = await asked(dir, options);
      const beam = await asked(dir, options, { numBeams: 1 });
      assert.deepEqual(beam.ids, one.ids);
      await using llava = await load(dir, options);
      const { ids } = await answer(llava, { numBeams: 3 });
      // The same tokens, one after the other and alone, are as likely: no beam has seen another's rows.
      const again = await load(dir, options);
      await using alone = again;
      const text = llava.tokenizer.decode(ids);
      const score = (m: Llava) => m.score([...question(), { role: 'assistant', content: text }]);
      assert.deepEqual((await score(llava)).tokens, (await score(alone)).tokens);
      const recomputed: LoadOptions = isDynamic ? { sparse: { cache: false } } : { prune: { ...FASTV, cache: false } };
      await assert.rejects(asked(dir, recomputed, { numBeams: 2 }), /numBeams: needs a cache/);
    });
  }
});

test('Dynamic-LLaVA without a cache is as with one, where no text is dropped', async () => {
  await withDynamic(async (dir) => {
    const cached = await asked(dir, { sparse: { text: false } });
    const recomputed = await asked(dir, { sparse: { text: false, cache: false } });
    assert.deepEqual([recomputed.ids, recomputed.logps], [cached.ids, cached.logps]);
  });
});

test('Dynamic-LLaVA without a cache: `compat` sees the last row twice in the first step, and only there', async () => {
  await withDynamic(async (dir) => {
    const of = (compat: boolean) => asked(dir, { sparse: { cache: false, compat } }, { logitBias: new Map([[40, 1e3]]) });
    const [clean, compat] = [await of(false), await of(true)];
    assert.deepEqual(clean.ids, [40, 40, 40, 40]);
    assert.deepEqual(compat.ids, clean.ids);
    assert.notEqual(compat.logps[0], clean.logps[0]);
    assert.deepEqual(compat.logps.slice(1), clean.logps.slice(1));
  });
});

test('the keep rate is chosen with each question', async () => {
  await withDynamic(async (dir) => {
    const dense = await asked(dir, { sparse: { keepRate: 1, text: false } });
    assert.equal(dense.usage.kvBytes, dense.usage.kvBytesDense);
    await using llava = await load(dir, { sparse: { text: false } });
    const kept = async (keepRate?: number) => {
      const { usage, ids, logps } = await answer(llava, keepRate === undefined ? {} : { keepRate });
      const row = usage.kvBytesDense / 2 / (usage.promptTokens + ids.length - 1);
      return { rows: 16 - Math.round((usage.kvBytesDense - usage.kvBytes) / row), logps };
    };
    assert.equal((await kept()).rows, 8);
    assert.equal((await kept(0.3)).rows, 4);
    assert.equal((await kept(0)).rows, 0);
    const all = await kept(1);
    assert.deepEqual([all.rows, all.logps], [16, dense.logps]);
    await assert.rejects(kept(1.5), /keepRate: must be a share from 0 to 1: got 1.5/);
    await assert.rejects(load(dir, { sparse: { keepRate: -1 } }), /sparse: keepRate must be a share from 0 to 1: got -1/);
  });
  await withPlain(async (dir) => {
    await using llava = await load(dir, { prune: { ...FASTV, r: 0 } });
    const bytes = async (keepRate: number) => (await answer(llava, { keepRate })).usage;
    assert.equal(
      (await bytes(0.25)).kvBytesDense - (await bytes(0.25)).kvBytes,
      3 * ((await bytes(0.75)).kvBytesDense - (await bytes(0.75)).kvBytes),
    );
    await assert.rejects(asked(dir, {}, { keepRate: 0.5 }), /keepRate: this model lets all rows of a picture go on/);
  });
});

test('Dynamic-LLaVA keeps what its predictor says, and the drawing knows which patches', async () => {
  await withDynamic(async (dir) => {
    await using llava = await load(dir);
    const seen: (Uint8Array | undefined)[] = [];
    await answer(llava, { explain: (_, __, view) => seen.push(view.kept) });
    assert.equal(seen.length, 1);
    assert.equal(
      seen[0]?.reduce((n, k) => n + k, 0),
      8,
    );
    assert.equal(seen[0]?.length, 16);
  });
});

test('Dynamic-LLaVA over quantized weights: its predictors stay exact, and as many rows stay', async () => {
  await withDynamic(async (dir) => {
    const sparse = { text: false };
    const want = await asked(dir, { sparse });
    const file = join(dir, 'small.gguf');
    for (const [type, off] of [
      ['q8_0', 0.04],
      ['q4_0', 0.3],
    ] as const) {
      for (const packed of [false, true]) {
        await convert(dir, file, { type, packed });
        await using llava = await load(file, { sparse });
        assert.equal(llava.model.name, 'dynamic-llava');
        const { tensors } = llava.checkpoint.files;
        for (const name of ['image_score_predictor.down_mlp.1', 'output_text_score_predictor.output_mlp.1'])
          assert.ok(packed || /^f(16|32)$/.test(tensors.get(`model.${name}.weight`)!.type));
        const { logps, usage } = await answer(llava);
        assert.deepEqual([usage.kvBytes, usage.kvBytesDense], [want.usage.kvBytes, want.usage.kvBytesDense]);
        assert.ok(Math.abs(logps[0]! - want.logps[0]!) < off, `${type}: ${logps[0]} for ${want.logps[0]}`);
      }
    }
  });
});

test('a conversation that goes on is not computed again, whatever was dropped', async () => {
  // What is asked decides what FastV and the predictors of text drop: elsewhere a fresh run gives the same.
  for (const [family, options, blind] of [
    [withPlain, { prune: FASTV }, false],
    [withPlain, { prune: ZIP }, true],
    [withDynamic, {}, false],
    [withDynamic, { sparse: { text: false } }, true],
  ] as const) {
    await family(async (dir) => {
      await using llava = await load(dir, options);
      const text = await llava.chat(question(), { maxTokens: 4 }).text();
      const more: Message[] = [...question(), { role: 'assistant', content: text }, { role: 'user', content: 'And where?' }];
      const on = await answer(llava, {}, more);
      assert.ok(on.usage.cachedTokens > on.usage.imageTokens, `${on.usage.cachedTokens} rows of ${on.usage.promptTokens}`);
      if (blind) {
        const fresh = await asked(dir, options, {}, more);
        assert.deepEqual([on.ids, on.logps, on.usage.kvBytes], [fresh.ids, fresh.logps, fresh.usage.kvBytes]);
      }
    });
  }
});
