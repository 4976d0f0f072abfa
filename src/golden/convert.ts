// Conversion: the official converter's file, and every model again after a trip through our own files.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { GgufContent } from '../convert/content.ts';
import { asPair, ggufContent } from '../convert/fromGguf.ts';
import { hubContent } from '../convert/fromHub.ts';
import { MIX_NAMES, mixOf, typeInMix } from '../convert/mix.ts';
import { ggufStream } from '../convert/write.ts';
import { type GgufFile, openGguf } from '../formats/gguf.ts';
import { ggufTextConfig } from '../formats/ggufConfig.ts';
import { bufferSource } from '../formats/source.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { openGgufPair } from '../models/ggufLayout.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Checkpoint } from '../models/model.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, integers, loadTensors, Mismatch, readCase } from './compare.ts';
import { Comparison, compareScore, standardCase, withModel } from './endToEnd.ts';
import type { CaseRunner } from './runner.ts';

/** The file with this content, opened from memory. */
export async function written(content: GgufContent): Promise<GgufFile> {
  const stream = ggufStream(content, nodePlatform);
  const bytes = new Uint8Array(stream.bytes);
  let at = 0;
  for await (const piece of stream.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes.length) throw new Mismatch(`the file: got ${at} bytes, ${bytes.length} were announced`);
  return openGguf(bufferSource(bytes, 'converted.gguf'));
}

async function bytesOf(files: TensorFiles, name: string): Promise<Uint8Array> {
  const info = files.tensors.get(name)!;
  const bytes = new Uint8Array(info.bytes);
  await files.readInto(info, bytes);
  return bytes;
}

/** What the official converter adds of its own, or knows only from the folder's name. */
const INFORMATIVE = new Set(['general.name', 'general.size_label', 'tokenizer.ggml.model', 'tokenizer.ggml.add_bos_token']);

const official: CaseRunner = {
  matches: (system, name) => system === 'gguf' && name.startsWith('convert-'),
  async run(dir) {
    const c = readCase(dir);
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const got = await written(hubContent(await openHubFolder(localFolder(dir))));
    const want = await openGguf(fileSource(join(dir, 'model.gguf')));
    for (const [key, value] of want.metadata) {
      if (INFORMATIVE.has(key)) continue;
      const own = got.metadata.get(key);
      if (JSON.stringify(own) !== JSON.stringify(value))
        throw new Mismatch(`${key}: got ${JSON.stringify(own)}, want ${JSON.stringify(value)}`);
    }
    assertSame('tensors', [...got.tensors.keys()].sort(), [...want.tensors.keys()].sort());
    for (const [name, info] of want.tensors) {
      const own = got.tensors.get(name)!;
      assertSame(`${name}: type and shape`, [own.type, ...own.shape], [info.type, ...info.shape]);
      if (Buffer.compare(await bytesOf(got, name), await bytesOf(want, name)) !== 0) throw new Mismatch(`${name}: the bytes differ`);
    }
    await want.close();
    await withModel(openGgufPair(got), {}, async (m) => {
      const cmp = new Comparison(c, expected);
      await compareScore(m, [...integers(inputs, 'ids')], cmp, new Map([['logits', 'logits']]));
      cmp.finish();
    });
  },
};

/** Whole models of the hub: as one file, and as a pair. */
const ROUND_TRIPS = ['original-pad', 'original-split-tower', 'mistral-gqa', 'hf-llava', 'hf-llava-next', 'anyres-unpad-wide'];

const roundTrips: CaseRunner = {
  matches: (system, name) => system === 'llava-1.5' && ROUND_TRIPS.includes(name),
  async run(dir) {
    const c = readCase(dir);
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const checkpoint = await openHubFolder(localFolder(dir));
    const content = hubContent(checkpoint);
    const one = await written(content);
    const forms: (() => Promise<Checkpoint>)[] = [async () => openGgufPair(one)];
    // A pair has no words for a projector that is one matrix.
    if (one.metadata.has('clip.projector_type')) {
      const pair = asPair(content, dir);
      const parts = async () => [await written(pair.model), await written(pair.mmproj)] as const;
      forms.push(async () => openGgufPair(...(await parts())));
      forms.push(async () => openGgufPair(await written(ggufContent(...(await parts())))));
    } else {
      assert.throws(() => asPair(content, dir), /no place/);
    }
    for (const form of forms) await withModel(await form(), {}, (m) => standardCase(m, c, inputs, expected));
    await checkpoint.files.close();
  },
};

/** The mixes by the tensor types of files that llama.cpp quantized. */
const mixes: CaseRunner = {
  matches: (system, name) =>
    system === 'gguf' && MIX_NAMES.includes(/^(?:llama|phi2|qwen|qwen2|stablelm)-([a-z0-9_]+)(?:-odd)?$/.exec(name)?.[1] ?? ''),
  async run(dir) {
    const path = join(dir, 'model.gguf');
    if (!existsSync(path)) return;
    const file = await openGguf(fileSource(path));
    const [, name] = /-([a-z0-9_]+)(?:-odd)?$/.exec(dir)!;
    const text = ggufTextConfig(file);
    const context = {
      layers: text.num_hidden_layers,
      groups: text.num_attention_heads / text.num_key_value_heads,
      tied: text.tie_word_embeddings,
      weighted: false,
    };
    const wrong: string[] = [];
    for (const info of file.tensors.values()) {
      const type = typeInMix(mixOf(name!), info.name, info.shape, 'f32', context);
      if (type !== info.type) wrong.push(`${info.name}: got ${type}, want ${info.type}`);
    }
    await file.close();
    if (wrong.length > 0) throw new Mismatch(wrong.join('\n'));
  },
};

export const cases: readonly CaseRunner[] = [official, roundTrips, mixes];
