// Whole GGUF models: `<arch>-<type>` and the LLaVA pairs.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openGguf } from '../formats/gguf.ts';
import { Session } from '../generate/session.ts';
import type { PackedType } from '../graph/tensor.ts';
import { concat } from '../models/concat.ts';
import { openGgufPair } from '../models/ggufLayout.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, type GoldenCase, integers, loadTensors, readCase } from './compare.ts';
import { Comparison, compareScore, greedy, type OpenModel, picture, pictureNames, type Tensors, withModel } from './endToEnd.ts';
import type { CaseRunner } from './runner.ts';

interface Params {
  readonly arch: string;
  readonly text: string;
  readonly text_token_ids: readonly number[];
}

/** Activations stay floats when every matrix is stored as floats; else they are rounded to 8 bits and the looser tolerance counts. */
const FLOAT: ReadonlySet<string> = new Set<PackedType>(['packed-f32', 'packed-f16', 'packed-bf16']);
const isFloat = ({ model }: OpenModel): boolean =>
  model.weights.every((w) => [...w.uses].every((u) => u.form === 'plain' || FLOAT.has(u.tensor.dtype)));

async function languageModel(m: OpenModel, c: GoldenCase, inputs: Tensors, expected: Tensors): Promise<void> {
  const { text_token_ids } = c.params as unknown as Params;
  const cmp = new Comparison(c, expected);
  const texts = { text: text_token_ids, random: [...integers(inputs, 'ids_random')] };
  // Building the graph takes the weights: then their layouts are known.
  m.model.decoder.graph('score');
  const mode = isFloat(m) ? 'float' : 'llamacpp';
  for (const [name, ids] of Object.entries(texts)) {
    const taps = new Map<string, string>();
    if (mode === 'float' && name === 'text') {
      taps.set('inputs_embeds', 'embd_float_text');
      for (let i = 0; i < m.model.decoder.backbone.layers; i++) taps.set(`lm_hidden_${i + 1}`, `layer_${i}_float_text`);
      taps.set('lm_final_norm', 'final_norm_float_text');
    }
    taps.set('logits', `logits_${mode}_${name}`);
    await compareScore(m, ids, cmp, new Map([...taps].filter(([, n]) => expected.has(n))));
  }
  const want = c.greedy as { token_ids: number[]; llamacpp_token_ids?: number[] };
  const { ids } = await greedy(new Session(m.programs, m.model.decoder), text_token_ids, want.token_ids.length);
  assertSame('greedy', ids, mode === 'float' ? want.token_ids : (want.llamacpp_token_ids ?? want.token_ids));
}

const languageModels: CaseRunner = {
  matches: (system, name) => system === 'gguf' && /^(llama|phi2|qwen|qwen2|stablelm)-/.test(name),
  async run(dir) {
    const c = readCase(dir);
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const open = async () => openGgufPair(await openGguf(fileSource(join(dir, 'model.gguf'))));
    const tokenizer = await (await open()).tokenizer();
    const { text, text_token_ids } = c.params as unknown as Params;
    assertSame('token ids', tokenizer!.encode(text, { bos: true }), text_token_ids);
    // Exactly, and as people run it.
    for (const precision of ['float', 'stored'] as const) {
      await withModel(await open(), { precision }, (m) => languageModel(m, c, inputs, expected));
    }
  },
};

/** One model as a hub directory and as the GGUF that was made of it. */
const converted: CaseRunner = {
  matches: (system, name) => system === 'gguf' && name.startsWith('convert-'),
  async run(dir) {
    const c = readCase(dir);
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const open = [() => openHubFolder(localFolder(dir)), async () => openGgufPair(await openGguf(fileSource(join(dir, 'model.gguf'))))];
    for (const checkpoint of open) {
      await withModel(await checkpoint(), {}, async (m) => {
        const cmp = new Comparison(c, expected);
        await compareScore(m, [...integers(inputs, 'ids')], cmp, new Map([['logits', 'logits']]));
        cmp.finish();
        for (const w of m.model.weights) assertSame('tensors that nobody reads', w.unused(), []);
      });
    }
  },
};

interface PairParams {
  readonly images: readonly { readonly token_ids_before: readonly number[]; readonly token_ids_after: readonly number[] }[];
}

/** What the tower's taps are called in the cases. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['vision_embeddings', 'patch_plus_pos'],
  ['vision_hidden_0', 'pre_ln'],
  ...Array.from({ length: 8 }, (_, l): [string, string] => [`vision_hidden_${l + 1}`, `block_${l}`]),
  ['projected', 'tile_embeddings'],
]);

/** A model with its mmproj: right by LLaVA's definition, not llama.cpp's. */
const pairs: CaseRunner = {
  matches: (system, name) => system === 'gguf' && /^llava1[56]-/.test(name),
  async run(dir) {
    const c = readCase(dir);
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const open = async (file: string) => openGguf(fileSource(join(dir, file)));
    const mmproj = existsSync(join(dir, 'mmproj.gguf')) ? await open('mmproj.gguf') : undefined;
    // The tolerances are for exact kernels.
    await withModel(openGgufPair(await open('model.gguf'), mmproj), { precision: 'float' }, async (m) => {
      const cmp = new Comparison(c, expected);
      for (const [i, name] of pictureNames(inputs).entries()) {
        const stacks = new Map<string, Float32Array[]>();
        const push = (as: string, data: Float32Array) => stacks.set(as, [...(stacks.get(as) ?? []), data]);
        const rows = await m.model.encoder!.encode(m.programs, picture(inputs, name), {
          keep: [...NAMES.keys()].filter((tap) => tap !== 'projected'),
          visit: (program, pixels) => {
            push(`pixels_${i}`, pixels);
            for (const [tap, as] of NAMES) if (program.plan.readable.has(tap)) push(`${as}_${i}`, m.engine.read(program, tap));
          },
        });
        for (const [as, parts] of stacks) cmp.close(as, concat(parts));
        cmp.close(`image_embeddings_${i}`, rows.features);
        const { token_ids_before, token_ids_after } = (c.params as unknown as PairParams).images[i]!;
        const session = new Session(m.programs, m.model.decoder);
        const { logits } = await session.prefill([...token_ids_before, { ...rows, key: name }, ...token_ids_after]);
        cmp.close(`logits_last_${i}`, logits);
      }
    });
  },
};

export const cases: readonly CaseRunner[] = [languageModels, converted, pairs];
