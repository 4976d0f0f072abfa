// LLaVA-UHD: slices of pictures of all proportions, separators, memory, choices and pictures that are refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RECORD_BYTES } from '../../assembly/program.ts';
import { InputError, Llava, type PictureView, UnsupportedError } from '../../src/index.ts';
import type { Program } from '../../src/runtime/engine.ts';
import { pattern } from '../image/pattern.ts';
import { withUhd } from './tinyModels.ts';

const views: PictureView[] = [];
const explain = (_: number, __: unknown, view: PictureView) => void views.push(view);

test('rows of a picture: slices with separators, then the overview', () =>
  withUhd(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    assert.equal(llava.model.name, 'llava-uhd');
    for (const [width, height, options, slices] of [
      [56, 56, { preResize: null }, 0],
      [60, 56, { preResize: null }, 2],
      [112, 181, { preResize: null }, 6],
      [112, 181, { preResize: null, slices: 1 }, 0],
      [112, 181, { preResize: null, slices: 2 }, 2],
      [30, 20, {}, 6],
      [1, 1, { preResize: null }, 0],
      [1, 1, {}, 6],
      [200, 4, { preResize: null }, 0],
    ] as const) {
      const { rows, features } = await llava.embedImage(pattern(width, height), options);
      assert.equal(rows, 16 * (slices + 1) + slices, `${width} x ${height} ${JSON.stringify(options)}`);
      assert.ok(features.every(Number.isFinite));
    }
  }));

test('separators are embeddings of their tokens, and windows cover the picture', () =>
  withUhd(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    const image = pattern(84, 56);
    views.length = 0;
    const reply = llava.chat([{ role: 'user', content: [{ type: 'image', image }] }], { maxTokens: 1, preResize: null, explain });
    await reply.text();
    const slices = views.slice(0, -1);
    assert.deepEqual(
      views.map((v) => v.name),
      ['slice 1,1', 'slice 2,1', 'overview'],
    );
    assert.equal(
      slices.reduce((n, { window }) => n + window.width * window.height, 0),
      84 * 56,
    );
    for (const { attention, grid } of views) assert.equal(attention?.length, 16 * grid.width * grid.height);

    const { features } = await llava.embedImage(image, { preResize: null });
    const row = (r: number) => [...features.subarray(r * 128, (r + 1) * 128)];
    const { tensors } = llava.checkpoint.files;
    const table = tensors.get('model.embed_tokens.weight')!;
    const embedding = async (id: number) => {
      const bytes = new Uint8Array(4 * 128);
      await llava.checkpoint.files.readInto(table, bytes, id * 4 * 128);
      return [...new Float32Array(bytes.buffer)];
    };
    assert.deepEqual(row(16), await embedding(44));
    assert.deepEqual(row(33), await embedding(13));
  }));

test('a picture takes no more memory than its largest slice', () =>
  withUhd(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    const encode = async (width: number, height: number, slices: number) => {
      const programs: Program[] = [];
      llava.vision.observer = { timed: () => false, ran: (_, program) => void programs.push(program) };
      await llava.embedImage(pattern(width, height), { preResize: null, slices });
      const records = [...new Set(programs)].reduce((n, p) => n + p.count * RECORD_BYTES, 0);
      return { runs: programs.length, arena: Math.max(...programs.map((p) => p.plan.arenaBytes)), records, used: llava.engine.heap.used };
    };
    // One slice, the overview alone, then six slices of that size with that overview.
    const slice = await encode(56, 56, 1);
    const overview = await encode(112, 168, 1);
    const all = await encode(112, 168, 7);
    assert.deepEqual([slice.runs, overview.runs, all.runs], [1, 1, 7]);
    const single = Math.max(slice.arena, overview.arena);
    assert.ok(all.arena <= 1.3 * single, `${all.arena} bytes for seven runs, ${single} for one`);
    assert.ok(all.used - overview.used <= 0.3 * single + all.records, `${overview.used} bytes of memory became ${all.used}`);
  }));

test('pictures and choices that cannot be', () =>
  withUhd(async (dir) => {
    await using llava = await Llava.load(dir, { threads: 0 });
    const refused = (width: number, height: number, options: object, message: RegExp) =>
      assert.rejects(llava.embedImage(pattern(width, height), options), (e) => e instanceof InputError && message.test(e.message));
    await refused(1, 10000, {}, /picture: is too narrow: got 1 x 10000, nothing is left of its short side when the long one is 1024/);
    await refused(1, 2000000, { preResize: null }, /picture: is too narrow: got 1 x 2000000, which makes \d+ patches/);
    await refused(50, 50, { slices: 0 }, /slices: got 0, expected an integer of 1 to 64/);
    await refused(50, 50, { slices: 2.5 }, /slices: got 2.5/);
    await refused(50, 50, { preResize: 0 }, /preResize: got 0, expected null or an integer/);
    await refused(50, 50, { visualTokens: 4 }, /visualTokens: llava-uhd has no such choice/);
    const { rows } = await llava.embedImage(pattern(1, 2000), { preResize: null });
    assert.equal(rows, 16);
  }));

test("the paper's form, and generations that are another system", async () => {
  await withUhd(
    async (dir) => {
      await using llava = await Llava.load(dir, { threads: 0 });
      const { rows } = await llava.embedImage(pattern(112, 181));
      assert.equal(rows, 16 * 7 + 6);
      assert.equal((await llava.embedImage(pattern(112, 181), { slices: 1 })).rows, 16);
    },
    { mm_projector_type: 'resampler' },
  );
  await withUhd(
    (dir) =>
      assert.rejects(
        Llava.load(dir, { threads: 0 }),
        (e) => e instanceof UnsupportedError && /mm_projector_type: got adapt_spatial_resampler_v2/.test(e.message),
      ),
    { mm_projector_type: 'adapt_spatial_resampler_v2' },
  );
});
