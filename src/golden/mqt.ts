// MQT-LLaVA: the resampler alone at every budget, and whole models.

import { join } from 'node:path';
import { openSafetensors } from '../formats/safetensors.ts';
import { type ImageRows, Session } from '../generate/session.ts';
import { Graph } from '../graph/graph.ts';
import { Weights } from '../graph/weights.ts';
import { concat } from '../models/concat.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import { mqtResampler, openMqt, PREFIX } from '../models/mqt.ts';
import { resamplerLayers } from '../models/resampler.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource } from '../runtime/nodeFiles.ts';
import { Programs } from '../runtime/programs.ts';
import { assertSame, floats, integers, loadTensors, Mismatch, readCase, tensor } from './compare.ts';
import { Comparison, greedy, type OpenModel, splice, type Tensors, withModel } from './endToEnd.ts';
import { fixtureFolder } from './fixtureFolder.ts';
import type { CaseRunner } from './runner.ts';

async function load(dir: string) {
  const c = readCase(dir);
  const [inputs, expected] = await Promise.all([
    loadTensors(join(dir, 'inputs.safetensors')),
    loadTensors(join(dir, 'expected.safetensors')),
  ]);
  return { c, inputs, cmp: new Comparison(c, expected) };
}

const budgets: CaseRunner = {
  matches: (system, name) => system === 'mqt-llava' && name === 'resampler-budgets',
  async run(dir) {
    const { c, inputs, cmp } = await load(dir);
    const files = resamplerLayers(await openSafetensors(fileSource(join(dir, 'model.safetensors'))), PREFIX);
    const weights = Weights.over(files);
    const engine = await Engine.create(nodePlatform, { threads: 0 });
    const programs = new Programs(engine, [weights]);
    try {
      const [pictures, patches, width] = tensor(inputs, 'image_features').shape as [number, number, number];
      const side = Math.sqrt(patches);
      const resampler = mqtResampler(weights.at(PREFIX), { width: side, height: side });
      const taps = ['pos_embed_table', 'key_pos', 'ln_q', 'ln_k'];
      await resampler.attention.compute(programs, taps, (_, program) => {
        for (const name of taps) cmp.close(name, engine.read(program, name));
        cmp.close('attn_weights_first4', headsFirst(engine.read(program, 'constant'), 4));
      });
      await resampler.attention.fill(programs);

      const all = floats(inputs, 'image_features');
      for (const m of c.params.num_visual_tokens as number[]) {
        const build = () => {
          const g = new Graph(`m=${m}`);
          g.output('out', resampler.tokens(g, g.input('features', 'f32', [patches, width]), m));
          return g;
        };
        const program = await programs.get(`m=${m}`, build, ['ln_v', 'attn_out']);
        const out: Float32Array[] = [];
        for (let i = 0; i < pictures; i++) {
          engine.write(program, 'features', all.subarray(i * patches * width, (i + 1) * patches * width));
          await programs.run(program);
          out.push(engine.read(program, 'out'));
          if (m === resampler.queries && i === 0) for (const name of ['ln_v', 'attn_out']) cmp.close(name, engine.read(program, name));
        }
        cmp.close(`out_m${m}`, concat(out));
      }
      cmp.finish();
    } finally {
      await engine.dispose();
      await files.close();
    }
  },
};

/** [queries, 16 * keys] -> [16, first queries, keys] */
function headsFirst(weights: Float32Array, first: number): Float32Array {
  const keys = 576;
  const parts: Float32Array[] = [];
  for (let h = 0; h < 16; h++) {
    for (let q = 0; q < first; q++) parts.push(weights.subarray((q * 16 + h) * keys, (q * 16 + h + 1) * keys));
  }
  return concat(parts);
}

/** Scores the prompt, lets `visit` compare the intermediates in `keep` and `logits`, then compares the greedy tokens. */
export async function compareLanguage(
  m: OpenModel,
  prompt: ReturnType<typeof splice>,
  cmp: Comparison,
  visit: (read: (tap: string) => Float32Array) => void,
  keep: readonly string[],
): Promise<void> {
  const session = new Session(m.programs, m.model.decoder);
  const parts = new Map<string, Float32Array[]>();
  await session.score(
    prompt,
    (program) => {
      for (const tap of [...keep, 'logits']) {
        if (!parts.has(tap)) parts.set(tap, []);
        parts.get(tap)!.push(m.engine.read(program, tap));
      }
    },
    { keep },
  );
  visit((tap) => concat(parts.get(tap)!));
  const want = (cmp.case.greedy as { token_ids: number[] }).token_ids;
  const { ids } = await greedy(new Session(m.programs, m.model.decoder), prompt, want.length);
  assertSame('greedy', ids, want);
}

/** The last `count` rows of a matrix. */
export const lastRows = (x: Float32Array, count: number, width: number): Float32Array => x.subarray(x.length - count * width);

const TAPS = new Map([
  ['inputs_embeds', 'inputs_embeds'],
  ['lm_hidden_1', 'hidden_0'],
  ['lm_final_norm', 'final_hidden'],
]);

const endToEnd: CaseRunner = {
  matches: (system, name) => system === 'mqt-llava' && name.startsWith('e2e-'),
  async run(dir) {
    const { c, inputs, cmp } = await load(dir);
    const checkpoint = await openHubFolder(fixtureFolder(dir, c));
    await withModel(checkpoint, {}, async (m) => {
      if (m.model.name !== 'mqt-llava') throw new Mismatch(`opened as ${m.model.name}`);
      await openMqt(m.model.weights[0]!, checkpoint).resampler.attention.compute(m.programs, ['key_pos'], ({ engine }, program) => {
        cmp.close('key_pos', engine.read(program, 'key_pos'));
      });
      const images = await pictures(m, checkpoint, c.params.num_visual_tokens as number, inputs, cmp);
      await compareLanguage(
        m,
        splice(integers(inputs, 'input_ids'), images),
        cmp,
        (read) => {
          for (const [tap, name] of TAPS) cmp.close(name, read(tap));
          cmp.close('logits_last8', lastRows(read('logits'), 8, m.model.decoder.backbone.vocabulary));
        },
        [...TAPS.keys()],
      );
      cmp.finish();
    });
  },
};

/** Encodes the case's picture, or its pixels where it has no picture. */
async function pictures(
  m: OpenModel,
  checkpoint: Awaited<ReturnType<typeof openHubFolder>>,
  visualTokens: number,
  inputs: Tensors,
  cmp: Comparison,
): Promise<ImageRows[]> {
  // Of the tower's rows some cases have only the first, of the first picture.
  const beginnings = ['vision_embeddings', 'vision_hidden_1'];
  const keep = [...beginnings, 'vision_features'];
  const seen = new Map<string, Float32Array[]>();
  const note = (name: string, x: Float32Array) => seen.set(name, [...(seen.get(name) ?? []), x]);
  const options = {
    keep,
    visit: (program: Parameters<Engine['read']>[0], pixels: Float32Array) => {
      note('pixel_values', pixels);
      for (const name of beginnings) note(name, m.engine.read(program, name));
      note('image_features', m.engine.read(program, 'vision_features'));
      note('resampler_out', m.engine.read(program, 'projected'));
    },
  };
  const images: ImageRows[] = [];
  const image = inputs.get('image');
  if (image) {
    const [height, width] = image.shape as [number, number];
    const picture = { width, height, data: image.data as Uint8Array };
    images.push({ ...(await m.model.encoder!.encode(m.programs, picture, { ...options, visualTokens })), key: 'image' });
  } else {
    const { resampler, tower } = openMqt(m.model.weights[0]!, checkpoint);
    await resampler.attention.fill(m.programs);
    const all = floats(inputs, 'pixel_values');
    const size = 3 * tensor(inputs, 'pixel_values').shape[2]! ** 2;
    const tiles = Array.from({ length: all.length / size }, (_, i) => all.subarray(i * size, (i + 1) * size));
    const rows = await tower(visualTokens).run(m.programs, tiles, options);
    images.push(...rows.map((features, i) => ({ features, rows: visualTokens, key: `image ${i}` })));
  }
  for (const [name, parts] of seen) {
    if (!cmp.wants(name)) continue;
    const got = beginnings.includes(name) ? parts[0]!.subarray(0, floats(cmp.expected, name).length) : concat(parts);
    cmp.close(name, got);
  }
  return images;
}

export const cases: readonly CaseRunner[] = [budgets, endToEnd];
