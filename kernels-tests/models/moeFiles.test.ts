// Mixtures in the containers that they come in: PyTorch's files with the tower in a repository of its own, and super-blocks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { requantized } from '../../src/convert/fromGguf.ts';
import { mixOf } from '../../src/convert/mix.ts';
import { type GgufFile, openGguf } from '../../src/formats/gguf.ts';
import { openSafetensors } from '../../src/formats/safetensors.ts';
import { bufferSource } from '../../src/formats/source.ts';
import { Session } from '../../src/generate/session.ts';
import { written } from '../../src/golden/convert.ts';
import { Llava } from '../../src/index.ts';
import { openGgufPair } from '../../src/models/ggufLayout.ts';
import { type ModelOptions, TOWER } from '../../src/models/model.ts';
import { openModel } from '../../src/models/registry.ts';
import { synthModel } from '../../src/models/synth.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { Programs } from '../../src/runtime/programs.ts';
import { fixture } from '../fixtures.ts';
import { type TorchWrite, torchBin } from '../formats/writeTorchBin.ts';
import { withMoe } from './tinyModels.ts';

const PICTURE = readFileSync(fixture('image/rgb.png'));

/** Rows of a picture, and what is said of it. */
async function seen(dir: string) {
  await using llava = await Llava.load(dir, { threads: 0, context: 2048, conversation: 'vicuna_v1' });
  const { features } = await llava.embedImage(PICTURE);
  const content = [
    { type: 'image', image: PICTURE },
    { type: 'text', text: 'What is here?' },
  ] as const;
  const { tokens } = await llava.score([
    { role: 'user', content },
    { role: 'assistant', content: 'a red ball' },
  ]);
  return { features, tokens, names: [...llava.checkpoint.files.tensors.keys()].sort() };
}

/** Rewrites a folder's safetensors as two shards of PyTorch's and a tower in its own folder, under the names that it has there. */
async function asTorchBins(dir: string): Promise<void> {
  const whole = await openSafetensors(bufferSource(readFileSync(join(dir, 'model.safetensors'))));
  const shards: Map<string, TorchWrite>[] = [new Map(), new Map(), new Map()];
  for (const [i, info] of [...whole.tensors.values()].entries()) {
    const values = new Float32Array(info.bytes / 4);
    await whole.readInto(info, new Uint8Array(values.buffer));
    const own = info.name.startsWith(`${TOWER}.`);
    shards[own ? 2 : i % 2]!.set(own ? info.name.replace(TOWER, 'vision_model') : info.name, { shape: info.shape, values });
  }
  const file = (i: number) => `pytorch_model-0000${i + 1}-of-00002.bin`;
  const weight_map = Object.fromEntries([0, 1].flatMap((i) => [...shards[i]!.keys()].map((name) => [name, file(i)])));
  await writeFile(join(dir, 'pytorch_model.bin.index.json'), JSON.stringify({ metadata: {}, weight_map }));
  for (const i of [0, 1]) await writeFile(join(dir, file(i)), torchBin(shards[i]!));
  await writeFile(join(dir, 'vision_tower', 'pytorch_model.bin'), torchBin(shards[2]!));
  await rm(join(dir, 'model.safetensors'));
}

test('a mixture in .bin shards, its tower in a repository of its own: the same as in one safetensors file', () =>
  withMoe(async (dir) => {
    const want = await seen(dir);
    assert.ok(want.names.some((n) => n.includes('deepspeed_experts.3.')) && want.names.some((n) => n.startsWith(TOWER)));
    await asTorchBins(dir);
    assert.deepEqual(await seen(dir), want);
  }));

async function logits(file: GgufFile, options: ModelOptions = {}, stageBytes?: number): Promise<Float32Array> {
  const engine = await Engine.create(nodePlatform, { threads: 0, ...(stageBytes !== undefined && { stageBytes }) });
  try {
    const model = await openModel(openGgufPair(file), { cacheType: 'kv-f32', ...options });
    const session = new Session(new Programs(engine, model.weights), model.decoder);
    await session.prefill(Array.from({ length: 24 }, (_, i) => (i * 37) % 320));
    return await session.step(7);
  } finally {
    await engine.dispose();
  }
}

const distance = (a: Float32Array, b: Float32Array): number => Math.hypot(...a.map((v, i) => v - b[i]!)) / Math.hypot(...b);

for (const [mix, types, near] of [
  ['q6_k', ['q6_k'], 0.06],
  ['q4_k_m', ['q4_k', 'q5_k', 'q6_k'], 0.18],
  ['iq4_xs', ['iq4_xs'], 0.2],
  ['q2_k', ['q2_k', 'q3_k'], 0.5],
] as const) {
  test(`experts in super-blocks, ${mix}: near the f32 of the same values and the original's, and the same over stages`, async () => {
    const original = await openGguf(bufferSource(Buffer.concat([...synthModel('moe-blocks', 'f16').pieces()])));
    const small = await written(requantized(original, mixOf(mix)));
    for (const n of ['up', 'down']) {
      const { type } = small.tensors.get(`blk.0.ffn_${n}_exps.weight`)!;
      assert.ok((types as readonly string[]).includes(type), `${n}: ${type}`);
    }
    const got = await logits(small);
    const [same, off] = [distance(got, await logits(small, { precision: 'float' })), distance(got, await logits(original))];
    assert.ok(same < 0.02 && off < near && off > 0, `${same} from f32, ${off} from the original`);
    assert.deepEqual(await logits(small, {}, 500_000), got);
  });
}
