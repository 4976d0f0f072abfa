// What the golden cases of MoE-LLaVA and LLaVA-MoD have in common: one set of tensor names from pixels to the router of every step.

import { join } from 'node:path';
import { hubContent } from '../convert/fromHub.ts';
import type { Folder } from '../formats/source.ts';
import { type ImageRows, Session } from '../generate/session.ts';
import { readKv } from '../graph/kv.ts';
import { fit, preprocessing } from '../image/preprocess.ts';
import { concat } from '../models/concat.ts';
import { openGgufPair } from '../models/ggufLayout.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Checkpoint } from '../models/model.ts';
import type { RouterNoise } from '../models/routerNoise.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, floats, integers, loadTensors, Mismatch, readCase } from './compare.ts';
import { written } from './convert.ts';
import { Comparison, compareScore, greedy, type OpenModel, picture, splice, type Tensors, withModel } from './endToEnd.ts';

const ROUTER = ['logits', 'weights', 'choices', 'load'];

/** Opens a case's model with the tower's settings that lie beside it; `model`: folder of the model, where it is another. */
export async function openCase(dir: string, model: string = dir): Promise<Checkpoint> {
  const here = localFolder(dir);
  const tower: Folder = {
    name: here.name,
    list: async () => ['config.json', 'preprocessor_config.json'],
    open: (file: string) => here.open(file === 'config.json' ? 'vision_config.json' : file),
    folder: async () => null,
  };
  return openHubFolder(localFolder(model), { tower });
}

/** The same after a trip through one GGUF file. */
export async function openConverted(dir: string): Promise<Checkpoint> {
  const checkpoint = await openCase(dir);
  try {
    return openGgufPair(await written(hubContent(checkpoint)));
  } finally {
    await checkpoint.files.close();
  }
}

/** Layers whose router the case shows. */
export const routedLayers = (expected: Tensors, prefix = 'router'): number[] => [
  ...new Set([...expected.keys()].flatMap((n) => (n.startsWith(`${prefix}.L`) ? [Number(n.slice(prefix.length + 2).split('.')[0])] : []))),
];

export const routerTaps = (layers: readonly number[]): string[] => layers.flatMap((i) => ROUTER.map((what) => `router_${what}_${i}`));

/** Compares what a run's routers did: `prefix`.L{layer}.{logits,combine,top1,top2,kept,slot,capacity}. */
export function compareRouters(cmp: Comparison, engine: Engine, program: Program, layers: readonly number[], prefix = 'router'): void {
  for (const layer of layers) compareRouter(cmp, engine, program, layer, `${prefix}.L${layer}`);
}

export function compareRouter(cmp: Comparison, engine: Engine, program: Program, layer: number, at: string): void {
  const logits = engine.read(program, `router_logits_${layer}`);
  cmp.close(`${at}.logits`, logits);
  const choices = engine.readInts(program, `router_choices_${layer}`);
  const experts = engine.readInts(program, `router_load_${layer}`).length - 1;
  const rows = logits.length / experts;
  const width = choices.length / rows;
  const k = width / 2;
  const same = (name: string, got: ArrayLike<number>) => {
    if (!cmp.wants(`${at}.${name}`)) return;
    cmp.seen.add(`${at}.${name}`);
    assertSame(`${at}.${name}`, got, integers(cmp.expected, `${at}.${name}`));
  };
  for (let j = 0; j < k; j++) {
    same(
      `top${j + 1}`,
      Array.from({ length: rows }, (_, r) => choices[r * width + j]!),
    );
  }
  const slots = Array.from({ length: rows * k }, (_, i) => choices[Math.floor(i / k) * width + k + (i % k)]!);
  same('slot', slots);
  same(
    'kept',
    slots.map((s) => (s >= 0 ? 1 : 0)),
  );
  same('capacity', [engine.readInts(program, `router_load_${layer}`)[0]!]);
  cmp.close(`${at}.combine`, engine.read(program, `router_weights_${layer}`));
}

/** The case's own random numbers: gumbel.* or rts.*. */
function givenNoise(inputs: Tensors, rows: number): { routerNoise?: RouterNoise } {
  const kind = ['gumbel', 'rts'].find((name) => [...inputs.keys()].some((n) => n.startsWith(`${name}.`)));
  if (!kind) return {};
  return {
    routerNoise: (r) => floats(inputs, `${kind}.${r.kind === 'decode' ? `step${r.past - rows + 1}` : 'prefill'}.L${r.layer}`),
  };
}

/** Encodes the pictures image, image2, ... and compares what the tower gives. */
export async function encodeImages(m: OpenModel, checkpoint: Checkpoint, inputs: Tensors, cmp: Comparison): Promise<ImageRows[]> {
  const names = new Map([
    ['vision.embed', 'vision_hidden_0'],
    ...Array.from({ length: 8 }, (_, i) => [`vision.hidden.${i}`, `vision_hidden_${i + 1}`] as const),
    ['vision.selected', 'vision_features'],
    ['mm.projected', 'projected'],
  ]);
  const parts = new Map<string, Float32Array[]>();
  const push = (name: string, data: Float32Array) => parts.set(name, [...(parts.get(name) ?? []), data]);
  const images: ImageRows[] = [];
  for (const key of [...inputs.keys()].filter((n) => /^image\d*$/.test(n)).sort()) {
    if (!images.length) await comparePixels(m.engine, checkpoint, inputs, cmp);
    const rows = await m.model.encoder!.encode(m.programs, picture(inputs, key), {
      keep: [...names.values()],
      visit: (program, pixels) => {
        push('pixel_values', pixels);
        for (const [name, tap] of names) if (program.plan.readable.has(tap)) push(name, m.engine.read(program, tap));
      },
    });
    images.push({ ...rows, key });
  }
  for (const name of ['pixel_values', ...names.keys()]) if (parts.has(name)) cmp.close(name, concat(parts.get(name)!));
  return images;
}

/** The first picture as a padded square, and resized before anything is cut off. */
async function comparePixels(engine: Engine, { config, vision }: Checkpoint, inputs: Tensors, cmp: Comparison): Promise<void> {
  const mode = config.string('image_aspect_ratio') === 'pad' ? 'pad' : 'square';
  const settings = { ...preprocessing(vision!.preprocessor.values, mode), crop: null };
  const image = picture(inputs, 'image');
  for (const [name, size] of [
    ['preproc.padded', null],
    ['preproc.resized', settings.size],
  ] as const) {
    if (!cmp.wants(name)) continue;
    cmp.seen.add(name);
    assertSame(name, (await fit(image, { ...settings, size }, engine)).data, integers(cmp.expected, name));
  }
}

/** A whole model: pixels, tower, one prefill with its routers, greedy decoding with the routers of each step; also in chunks of 8 rows. */
export async function modelCase(dir: string, open: typeof openCase = openCase): Promise<void> {
  const c = readCase(dir);
  const [inputs, expected] = await Promise.all([
    loadTensors(join(dir, 'inputs.safetensors')),
    loadTensors(join(dir, 'expected.safetensors')),
  ]);
  const rows = c.params.sequence_length as number;
  const layers = routedLayers(expected);
  const checkpoint = await open(dir);
  await withModel(checkpoint, givenNoise(inputs, rows), async (m) => {
    const cmp = new Comparison(c, expected);
    const images = await encodeImages(m, checkpoint, inputs, cmp);
    const ids = integers(inputs, 'input_ids');
    const prompt = splice(ids, images);
    await comparePrefill(m, cmp, new Session(m.programs, m.model.decoder), prompt, layers);

    const session = new Session(m.programs, m.model.decoder);
    let step = 0;
    session.observer = {
      keep: routerTaps(layers),
      visit({ kind, program }) {
        if (kind === 'decode') compareRouters(cmp, m.engine, program, layers, `gen.router.step${++step}`);
      },
    };
    const want = (c.greedy as { token_ids: number[] }).token_ids;
    const got = await greedy(session, prompt, want.length);
    cmp.close('gen.logits', got.logits);
    assertSame('greedy', got.ids, want);
    if (expected.has('text_only.logits'))
      await compareScore(m, [...integers(inputs, 'text_only.input_ids')], cmp, new Map([['logits', 'text_only.logits']]));
    cmp.finish();
  });
  await inChunks(await open(dir), c.greedy as { token_ids: number[] }, inputs, rows);
}

async function comparePrefill(
  m: OpenModel,
  cmp: Comparison,
  session: Session,
  prompt: Parameters<Session['score']>[0],
  layers: readonly number[],
): Promise<void> {
  const { backbone, caches } = m.model.decoder;
  const hidden = Array.from({ length: backbone.layers }, (_, i) => [`lm_hidden_${i + 1}`, `hidden.${i}`] as const);
  const mixed = layers.map((i) => [`moe_out_${i}`, `moe.L${i}.out`] as const);
  const taps = [['inputs_embeds', 'inputs_embeds'], ...mixed, ...hidden, ['lm_final_norm', 'hidden.norm'], ['logits', 'logits']] as const;
  await session.score(
    prompt,
    (program) => {
      const read = (name: string) => m.engine.read(program, name);
      const before = read('inputs_embeds');
      cmp.close(
        'attn.L0.out',
        read('lm_attended_0').map((x, i) => x - before[i]!),
      );
      compareRouters(cmp, m.engine, program, layers);
      for (const [tap, name] of taps) cmp.close(name, read(tap));
    },
    { keep: [...taps.map(([tap]) => tap), 'lm_attended_0', ...routerTaps(layers)] },
  );
  const kv = readKv(m.engine, caches[0]!, session.length);
  cmp.close('kv.L0.k', kv.k);
  cmp.close('kv.L0.v', kv.v);
}

/** Chunks change nothing, dropped choices included. */
async function inChunks(checkpoint: Checkpoint, { token_ids }: { token_ids: number[] }, inputs: Tensors, rows: number): Promise<void> {
  const given = givenNoise(inputs, rows).routerNoise;
  // The case has the numbers of all rows in one: a chunk takes its own.
  const routerNoise: RouterNoise | undefined =
    given && ((r) => (r.kind === 'decode' ? given(r) : given(r).slice(r.past * r.experts, (r.past + r.rows) * r.experts)));
  await withModel(checkpoint, { chunk: 8, ...(routerNoise && { routerNoise }) }, async (m) => {
    const images: ImageRows[] = [];
    for (const key of [...inputs.keys()].filter((n) => /^image\d*$/.test(n)).sort())
      images.push({ ...(await m.model.encoder!.encode(m.programs, picture(inputs, key))), key });
    const got = await greedy(new Session(m.programs, m.model.decoder), splice(integers(inputs, 'input_ids'), images), token_ids.length);
    if (got.ids.join() !== token_ids.join()) throw new Mismatch(`greedy in chunks of 8 rows: got ${got.ids}, want ${token_ids}`);
  });
}
