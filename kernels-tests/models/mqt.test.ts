// MQT-LLaVA: budgets chosen per request, and budgets that are none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, Llava, type Message } from '../../src/index.ts';
import type { PictureView } from '../../src/models/model.ts';
import type { Program } from '../../src/runtime/engine.ts';
import { pattern } from '../image/pattern.ts';
import { withMqt } from './tinyModels.ts';

const image = pattern(50, 30);

test('m tokens are the first m of all, for any m, and only these rows enter the prompt', () =>
  withMqt(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    assert.equal(llava.model.name, 'mqt-llava');
    const all = await llava.embedImage(image);
    assert.equal(all.rows, 16);
    const hidden = all.features.length / 16;
    for (const visualTokens of [1, 2, 7, 16]) {
      const some = await llava.embedImage(image, { visualTokens });
      assert.equal(some.rows, visualTokens);
      assert.deepEqual(some.features, all.features.slice(0, visualTokens * hidden), `m = ${visualTokens}`);
    }
    const ask: Message[] = [
      {
        role: 'user',
        content: [
          { type: 'image', image },
          { type: 'text', text: 'what?' },
        ],
      },
    ];
    for (const visualTokens of [3, 5]) {
      const reply = llava.chat(ask, { maxTokens: 2, visualTokens });
      await reply.text();
      assert.equal((await reply.usage).imageTokens, visualTokens);
    }
  }));

test('each query has one share per patch, whatever the grid of the tower', async () => {
  for (const side of [3, 4, 7]) {
    await withMqt(
      async (dir) => {
        await using llava = await Llava.load(dir, { threads: 0 });
        const views: PictureView[] = [];
        await llava.model.encoder!.encode(llava.vision, image, { visualTokens: 5, explain: (view) => void views.push(view) });
        const { grid, attention } = views[0]!;
        assert.deepEqual(grid, { width: side, height: side });
        assert.equal(attention!.length, 5 * side ** 2);
        for (let row = 0; row < 5; row++) {
          const shares = attention!.slice(row * side ** 2, (row + 1) * side ** 2);
          assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-5);
          assert.ok(Math.max(...shares) > Math.min(...shares));
        }
      },
      {},
      1,
      side,
    );
  }
});

test('budgets share the packed weights: nothing is read or packed again, and a budget that comes back has its program', () =>
  withMqt(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    const { files } = llava.checkpoint;
    let reads = 0;
    const readInto = files.readInto.bind(files);
    files.readInto = (...args) => {
      reads++;
      return readInto(...args);
    };
    const packs = new Set<string>();
    const install = llava.engine.install.bind(llava.engine);
    llava.engine.install = (plan) => {
      packs.add(plan.graph.name);
      return install(plan);
    };
    const programs: Program[] = [];
    llava.vision.observer = { timed: () => false, ran: (_, program) => void programs.push(program) };
    for (const visualTokens of [1, 9, 16, 9]) await llava.embedImage(pattern(20, 20 + programs.length), { visualTokens });
    assert.equal(reads, 0);
    assert.ok(packs.has('mqt m=9') && !packs.has('pack'), [...packs].join());
    assert.equal(programs.length, 4);
    assert.equal(programs[1], programs[3]);
    assert.equal(new Set(programs).size, 3);
  }));

test('a budget outside 1..M is refused by name', () =>
  withMqt(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    for (const visualTokens of [0, 17, -1, 1.5, Number.NaN]) {
      await assert.rejects(
        llava.embedImage(image, { visualTokens }),
        (e) => e instanceof InputError && e.message === `visualTokens: got ${visualTokens}, expected an integer of 1 to 16`,
      );
    }
    await assert.rejects(llava.embedImage(image, { slices: 2 }), /slices: mqt-llava has no such choice/);
  }));

test("the checkpoint's own budget counts where it is a number", () =>
  withMqt(
    async (dir) => {
      await using llava = await Llava.load(dir, { threads: 0 });
      assert.equal((await llava.embedImage(image)).rows, 5);
    },
    { num_visual_tokens: '5' },
  ));
