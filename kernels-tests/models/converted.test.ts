// Variants as one GGUF file: the same rows as from the directory.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { convert } from '../../src/cli/convert.ts';
import { Llava } from '../../src/index.ts';
import { pattern } from '../image/pattern.ts';
import { withMqt, withUhd } from './tinyModels.ts';

const image = pattern(90, 70);

async function rowsOf(path: string, options: object): Promise<{ name: string; features: Float32Array; text: string }> {
  await using llava = await Llava.load(path, { threads: 0 });
  const { features } = await llava.embedImage(image, options);
  const text = await llava.chat([{ role: 'user', content: [{ type: 'image', image }] }], { maxTokens: 4, ...options }).text();
  return { name: llava.model.name, features, text };
}

for (const [name, within, options] of [
  ['mqt-llava', withMqt, { visualTokens: 5 }],
  ['llava-uhd', withUhd, { preResize: null, slices: 4 }],
] as const) {
  test(`${name}: exact in its own types, near in a quantized file`, () =>
    within(async (dir) => {
      const file = join(tmpdir(), `pumice-${name}-${process.pid}.gguf`);
      try {
        const original = await rowsOf(dir, options);
        assert.equal(original.name, name);
        await convert(dir, file, {});
        assert.deepEqual(await rowsOf(file, options), original);
        await convert(dir, file, { type: 'q8_0' });
        const { features } = await rowsOf(file, options);
        const norm = Math.hypot(...original.features);
        const off = Math.hypot(...features.map((v, i) => v - original.features[i]!));
        assert.ok(off < 0.02 * norm, `off by ${off / norm}`);
        await convert(dir, file, { towerType: 'q8_0' });
        await using llava = await Llava.load(file, { threads: 0 });
        const types = new Map([...llava.checkpoint.files.tensors.values()].map((t) => [t.name, t.type]));
        const prefix = name === 'mqt-llava' ? 'model.query_abstractor' : 'model.mm_projector';
        assert.equal(types.get(`${prefix}.attn.out_proj.weight`), 'q8_0');
        assert.equal(types.get(`${prefix}.ln_q.weight`), 'f32');
        assert.equal(types.get('model.layers.0.self_attn.q_proj.weight'), 'f32');
        const small = (await llava.embedImage(image, options)).features;
        const moved = Math.hypot(...small.map((v, i) => v - original.features[i]!));
        assert.ok(moved > 0 && moved < 0.02 * norm, `off by ${moved / norm}`);
      } finally {
        await rm(file, { force: true });
      }
    }));
}
