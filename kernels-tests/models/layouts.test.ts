// One model in every layout that people have it in: the original's folder, the hub's native one, one GGUF file, a llama.cpp pair. The same rows from all.

import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { convert } from '../../src/cli/convert.ts';
import { Llava } from '../../src/index.ts';
import type { Json } from '../../src/models/config.ts';
import { pattern } from '../image/pattern.ts';
import { type LlavaShape, withLlava } from './tinyModels.ts';

async function rowsOf(path: string, mmproj?: string): Promise<{ name: string; features: Float32Array; text: string }> {
  await using llava = await Llava.load(path, {
    threads: 0,
    imageMode: 'pad',
    conversation: 'vicuna_v1',
    ...(mmproj !== undefined && { mmproj }),
  });
  const image = pattern(90, 70);
  const { features } = await llava.embedImage(image);
  const prompt = [{ role: 'user', content: [{ type: 'image', image }] }] as const;
  return { name: llava.model.name, features, text: await llava.chat([...prompt], { maxTokens: 4 }).text() };
}

type Values = Record<string, Json>;

const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^model\.vision_tower\.vision_tower\./, 'vision_tower.'],
  [/^model\.mm_projector\.0\./, 'multi_modal_projector.linear_1.'],
  [/^model\.mm_projector\.2\./, 'multi_modal_projector.linear_2.'],
  [/^model\./, 'language_model.model.'],
  [/^lm_head\./, 'language_model.lm_head.'],
];

/** Rewrites a folder in the hub's native form: other names, nested configs. */
async function asNative(dir: string): Promise<void> {
  const weights = join(dir, 'model.safetensors');
  const bytes = await readFile(weights);
  const size = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + size)) as Values;
  const named = Object.entries(header).map(([name, info]) => {
    const [from, to] = PARTS.find(([pattern]) => pattern.test(name))!;
    return [name.replace(from, to), info];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(named)));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(json.length));
  await writeFile(weights, Buffer.concat([head, json, bytes.subarray(8 + size)]));

  const read = async (file: string) => JSON.parse(await readFile(join(dir, file), 'utf8')) as Values;
  const { mm_vision_select_layer: layers, ...text } = await read('config.json');
  for (const key of Object.keys(text)) if (key.startsWith('mm_')) delete text[key];
  const config = {
    model_type: 'llava',
    text_config: { ...text, model_type: 'llama' },
    vision_config: await read('vision_tower/config.json'),
    vision_feature_layer: layers,
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  await writeFile(join(dir, 'preprocessor_config.json'), JSON.stringify(await read('vision_tower/preprocessor_config.json')));
  await rm(join(dir, 'vision_tower'), { recursive: true });
}

const SHAPES: Readonly<Record<string, LlavaShape>> = {
  'one hidden state': {},
  'two hidden states side by side': { states: [-1, 0] },
  'a projector with norms': { normed: true },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  // The hub's classes know no projector with norms.
  const hasNative = !shape.normed;
  test(`${name}: as a folder, as one file, as a pair${hasNative ? ', in native form' : ''}`, () =>
    withLlava(async (dir) => {
      const original = await rowsOf(dir);
      assert.ok(original.features.every(Number.isFinite));
      const at = (file: string) => join(dir, file);
      await convert(dir, at('one.gguf'), {});
      assert.deepEqual(await rowsOf(at('one.gguf')), original);
      await convert(dir, at('language.gguf'), { mmproj: at('mmproj.gguf') });
      assert.deepEqual(await rowsOf(at('language.gguf'), at('mmproj.gguf')), original);
      if (!hasNative) return;
      await asNative(dir);
      assert.deepEqual(await rowsOf(dir), original);
    }, shape));
}
