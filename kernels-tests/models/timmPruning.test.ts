// Methods that drop or merge rows in timm's ViT give what they give in a CLIP tower of the same weights, which the reference cases hold.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TensorFiles } from '../../src/formats/tensors.ts';
import { Weights } from '../../src/graph/weights.ts';
import { Config } from '../../src/models/config.ts';
import { openTower } from '../../src/models/llava15.ts';
import { type Checkpoint, TOWER } from '../../src/models/model.ts';
import type { TowerPruning } from '../../src/models/pruning.ts';
import { timmVitConfig } from '../../src/models/timmVit.ts';
import { towerPruning } from '../../src/models/towerPruning.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { Programs } from '../../src/runtime/programs.ts';
import { close, random } from '../harness.ts';
import { type MemoryTensor, memoryFiles, randomTensors } from './memoryFiles.ts';

const [WIDTH, SIDE, PATCH, WIDE] = [128, 6, 4, 96];
/** By timm for this width. */
const HEADS = 2;
const ROWS = 1 + SIDE ** 2;
const EPS = 1e-6;

const affine = (name: string, out: number, from: number) => ({ [`${name}.weight`]: [out, from], [`${name}.bias`]: [out] });
const norm = (name: string) => ({ [`${name}.weight`]: [WIDTH], [`${name}.bias`]: [WIDTH] });
const LAYERS = [0, 1, 2].map((i) => `${TOWER}.encoder.layers.${i}`);

/** Rows of mean 0 and variance 1: what a LayerNorm leaves as it is. */
function normalized(rows: number, seed: number): Float32Array {
  const x = random(rows * WIDTH, seed);
  for (let at = 0; at < x.length; at += WIDTH) {
    const row = x.subarray(at, at + WIDTH);
    const mean = row.reduce((a, b) => a + b, 0) / WIDTH;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / WIDTH);
    for (const [i, v] of row.entries()) row[i] = (v - mean) / deviation;
  }
  return x;
}

/** CLIP, whose first norm changes nothing: the rows are all in the table of positions, since patches give 0. */
function clipTensors(): Map<string, MemoryTensor> {
  const t = randomTensors({
    ...Object.assign(
      {},
      ...LAYERS.map((layer) => ({
        ...norm(`${layer}.layer_norm1`),
        ...norm(`${layer}.layer_norm2`),
        ...Object.assign({}, ...['q', 'k', 'v', 'out'].map((n) => affine(`${layer}.self_attn.${n}_proj`, WIDTH, WIDTH))),
        ...affine(`${layer}.mlp.fc1`, WIDE, WIDTH),
        ...affine(`${layer}.mlp.fc2`, WIDTH, WIDE),
      })),
    ),
  });
  for (const { shape, values } of t.values()) if (shape.length === 2) for (const i of values.keys()) values[i]! /= 4;
  const put = (name: string, shape: readonly number[], values: Float32Array) => t.set(`${TOWER}.${name}`, { shape, values });
  put('embeddings.class_embedding', [WIDTH], new Float32Array(WIDTH));
  put('embeddings.patch_embedding.weight', [WIDTH, 3, PATCH, PATCH], new Float32Array(WIDTH * 3 * PATCH ** 2));
  put('embeddings.position_embedding.weight', [ROWS, WIDTH], normalized(ROWS, 7));
  put('pre_layrnorm.weight', [WIDTH], new Float32Array(WIDTH).fill(1));
  put('pre_layrnorm.bias', [WIDTH], new Float32Array(WIDTH));
  return t;
}

/** The same tower under timm's names, with q, k and v as one matrix; `beside`: the biases of q and v beside it, as EVA has them. */
function timmTensors(clip: ReadonlyMap<string, MemoryTensor>, beside: boolean): Map<string, MemoryTensor> {
  const t = new Map<string, MemoryTensor>();
  const from = (name: string) => clip.get(name)!;
  const put = (name: string, shape: readonly number[], values: Float32Array) => t.set(`${TOWER}.${name}`, { shape, values });
  const rename = (to: string, name: string) => {
    for (const part of ['weight', 'bias']) t.set(`${TOWER}.${to}.${part}`, from(`${name}.${part}`));
  };
  put('cls_token', [1, 1, WIDTH], from(`${TOWER}.embeddings.class_embedding`).values);
  t.set(`${TOWER}.patch_embed.proj.weight`, from(`${TOWER}.embeddings.patch_embedding.weight`));
  put('pos_embed', [1, ROWS, WIDTH], from(`${TOWER}.embeddings.position_embedding.weight`).values);
  for (const [i, layer] of LAYERS.entries()) {
    const joined = (part: string) =>
      Float32Array.from(['q', 'k', 'v'].flatMap((n) => [...from(`${layer}.self_attn.${n}_proj.${part}`).values]));
    put(`blocks.${i}.attn.qkv.weight`, [3 * WIDTH, WIDTH], joined('weight'));
    if (beside) {
      for (const n of ['q', 'v']) t.set(`${TOWER}.blocks.${i}.attn.${n}_bias`, from(`${layer}.self_attn.${n}_proj.bias`));
    } else put(`blocks.${i}.attn.qkv.bias`, [3 * WIDTH], joined('bias'));
    rename(`blocks.${i}.attn.proj`, `${layer}.self_attn.out_proj`);
    rename(`blocks.${i}.norm1`, `${layer}.layer_norm1`);
    rename(`blocks.${i}.norm2`, `${layer}.layer_norm2`);
    rename(`blocks.${i}.mlp.fc1`, `${layer}.mlp.fc1`);
    rename(`blocks.${i}.mlp.fc2`, `${layer}.mlp.fc2`);
  }
  return t;
}

async function features(files: TensorFiles, vision: Config, prune: TowerPruning) {
  const weights = Weights.over(files);
  const config = new Config('config.json', { hidden_size: WIDTH, mm_projector_type: 'identity', mm_vision_select_layer: -2 });
  const preprocessor = new Config('p.json', {});
  const checkpoint: Checkpoint = { name: 't', config, vision: { config: vision, preprocessor }, files, tokenizer: async () => undefined };
  const tower = openTower(weights, checkpoint, towerPruning(prune, checkpoint));
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    let kept: number[] | undefined;
    const [rows] = await tower.run(new Programs(engine, [weights]), [new Float32Array(3 * (SIDE * PATCH) ** 2)], {
      visit: (program) => {
        kept = tower.kept && [...tower.kept(engine, program)];
      },
    });
    return { rows: rows!, kept };
  } finally {
    await engine.dispose();
  }
}

for (const beside of [false, true]) {
  for (const prune of [
    { method: 'visionzip', dominant: 9, contextual: 4 },
    { method: 'prumerge', neighbours: 5 },
    { method: 'prumerge-plus', neighbours: 5 },
    { method: 'tome', r: 4 },
  ] as const) {
    test(`${prune.method} in timm's ViT${beside ? ' with biases beside its matrix' : ''}`, async () => {
      const clip = clipTensors();
      if (beside) for (const layer of LAYERS) clip.get(`${layer}.self_attn.k_proj.bias`)!.values.fill(0);
      const vision = new Config('tower', {
        hidden_size: WIDTH,
        intermediate_size: WIDE,
        num_attention_heads: HEADS,
        num_hidden_layers: LAYERS.length,
        image_size: SIDE * PATCH,
        patch_size: PATCH,
        hidden_act: 'gelu',
        layer_norm_eps: EPS,
      });
      const want = await features(memoryFiles(clip), vision, prune);
      const timm = memoryFiles(timmTensors(clip, beside));
      const got = await features(timm, timmVitConfig(timm, TOWER), prune);
      assert.deepEqual(got.kept, want.kept);
      assert.ok(want.rows.length > WIDTH && want.rows.length < (ROWS - 1) * WIDTH);
      close(got.rows, want.rows, 1e-4, 1e-4);
    });
  }
}
