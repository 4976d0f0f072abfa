// Towers: several feature layers side by side, projectors with norms, open_clip's cut, and selections that are none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError } from '../../src/errors.ts';
import type { TensorFiles } from '../../src/formats/tensors.ts';
import { Graph } from '../../src/graph/graph.ts';
import { Weights } from '../../src/graph/weights.ts';
import { preprocessing, shownWindow } from '../../src/image/preprocess.ts';
import { Config } from '../../src/models/config.ts';
import { openTower } from '../../src/models/llava15.ts';
import { projector } from '../../src/models/projector.ts';
import { timmVitConfig } from '../../src/models/timmVit.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { Programs } from '../../src/runtime/programs.ts';
import { erf } from '../families/elementwise.ts';
import { random } from '../harness.ts';
import { memoryFiles, randomTensors } from './memoryFiles.ts';

const TOWER = 'model.vision_tower.vision_tower.vision_model';
const WIDTH = 16;

/** Random f32 tensors in memory. */
function files(shapes: Readonly<Record<string, readonly number[]>>): TensorFiles & { values(name: string): Float32Array } {
  const tensors = randomTensors(shapes);
  return { ...memoryFiles(tensors), values: (name) => tensors.get(name)!.values };
}

const affine = (name: string, out: number, from: number) => ({ [`${name}.weight`]: [out, from], [`${name}.bias`]: [out] });
const norm = (name: string) => ({ [`${name}.weight`]: [WIDTH], [`${name}.bias`]: [WIDTH] });
const block = (i: number) => {
  const layer = `${TOWER}.encoder.layers.${i}`;
  return {
    ...norm(`${layer}.layer_norm1`),
    ...norm(`${layer}.layer_norm2`),
    ...Object.assign({}, ...['q', 'k', 'v', 'out'].map((n) => affine(`${layer}.self_attn.${n}_proj`, WIDTH, WIDTH))),
    ...affine(`${layer}.mlp.fc1`, 24, WIDTH),
    ...affine(`${layer}.mlp.fc2`, WIDTH, 24),
  };
};
const CLIP = {
  [`${TOWER}.embeddings.class_embedding`]: [WIDTH],
  [`${TOWER}.embeddings.patch_embedding.weight`]: [WIDTH, 3, 4, 4],
  [`${TOWER}.embeddings.position_embedding.weight`]: [10, WIDTH],
  ...norm(`${TOWER}.pre_layrnorm`),
  ...block(0),
  ...block(1),
};
const VISION = new Config('tower', {
  hidden_size: WIDTH,
  intermediate_size: 24,
  num_attention_heads: 2,
  num_hidden_layers: 2,
  image_size: 12,
  patch_size: 4,
});
const open = (select: number | readonly number[]) => {
  const weights = Weights.over(files(CLIP));
  const config = new Config('config.json', { hidden_size: 2 * WIDTH, mm_projector_type: 'identity', mm_vision_select_layer: select });
  const vision = { config: VISION, preprocessor: new Config('p.json', {}) };
  return { weights, tower: openTower(weights, { name: 't', config, vision, files: files(CLIP), tokenizer: async () => undefined }) };
};

test('several feature layers lie side by side, without the class row', async () => {
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    const { weights, tower } = open([-3, 2]);
    const states: Float32Array[] = [];
    const [features] = await tower.run(new Programs(engine, [weights]), [random(3 * 12 * 12, 99)], {
      keep: ['vision_hidden_0', 'vision_hidden_2'],
      visit: (program) => states.push(engine.read(program, 'vision_hidden_0'), engine.read(program, 'vision_hidden_2')),
    });
    assert.equal(features!.length, 9 * 2 * WIDTH);
    for (let row = 0; row < 9; row++) {
      for (const [part, state] of states.entries()) {
        const at = (2 * row + part) * WIDTH;
        assert.deepEqual(
          features!.subarray(at, at + WIDTH),
          state.subarray((row + 1) * WIDTH, (row + 2) * WIDTH),
          `row ${row}, part ${part}`,
        );
      }
    }
  } finally {
    await engine.dispose();
  }
});

test('a layer that the tower has not is refused by name', () => {
  for (const select of [3, -4, 0.5]) assert.throws(() => open(select), { name: FormatError.name, message: /mm_vision_select_layer: got / });
});

test('mlp2x_gelu_Norm: a LayerNorm behind each linear layer, as in float64', async () => {
  const [rows, from, to] = [5, 12, 20];
  const f = files({
    ...affine('p.0', to, from),
    'p.1.weight': [to],
    'p.1.bias': [to],
    ...affine('p.3', to, to),
    'p.4.weight': [to],
    'p.4.bias': [to],
  });
  const x = random(rows * from, 50);
  const layer = (input: readonly number[], name: string) => {
    const [w, b] = [f.values(`${name}.weight`), f.values(`${name}.bias`)];
    return Array.from(b, (bias, o) => input.reduce((sum, v, i) => sum + v * w[o * input.length + i]!, bias));
  };
  const normed = (input: readonly number[], name: string) => {
    const mean = input.reduce((a, b) => a + b, 0) / to;
    const variance = input.reduce((a, b) => a + (b - mean) ** 2, 0) / to;
    return input.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * f.values(`${name}.weight`)[i]! + f.values(`${name}.bias`)[i]!);
  };
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    const weights = Weights.over(f);
    const build = () => {
      const g = new Graph('projector');
      g.output('y', projector(g, weights.at('p'), 'mlp2x_gelu_Norm', g.input('x', 'f32', [rows, from]), from, to));
      return g;
    };
    const program = await new Programs(engine, [weights]).get('projector', build);
    engine.write(program, 'x', x);
    engine.runNow(program);
    const got = engine.read(program, 'y');
    for (let r = 0; r < rows; r++) {
      const first = normed(layer([...x.subarray(r * from, (r + 1) * from)], 'p.0'), 'p.1');
      const want = normed(
        layer(
          first.map((v) => (v / 2) * (1 + erf(v / Math.SQRT2))),
          'p.3',
        ),
        'p.4',
      );
      for (const [i, v] of want.entries()) assert.ok(Math.abs(got[r * to + i]! - v) <= 1e-5 + 1e-5 * Math.abs(v), `row ${r}, column ${i}`);
    }
  } finally {
    await engine.dispose();
  }
});

test("open_clip's cut begins at the even one of two nearest pixels", () => {
  const image = { width: 85, height: 70, data: new Uint8Array(3 * 85 * 70) };
  const settings = { size: 70, crop_size: 70 };
  assert.equal(shownWindow(image, preprocessing(settings)).left, 7);
  assert.equal(shownWindow(image, preprocessing({ ...settings, crop_rounding: 'even' })).left, 8);
});

test('a tower that is no ViT of timm is named', () => {
  assert.throws(() => timmVitConfig(files(CLIP), TOWER), { message: /has no tensor patch_embed\.proj\.weight: a ViT of timm is expected/ });
});
