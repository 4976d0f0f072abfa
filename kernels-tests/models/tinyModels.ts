// Tiny hub checkpoints with random weights and a real tokenizer, in folders of their own: LLaVA-1.5, MQT-LLaVA and LLaVA-UHD.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixture } from '../fixtures.ts';
import { random } from '../harness.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;

const VOCABULARY = 1002;
const TOWER = 'model.vision_tower.vision_tower.vision_model';

interface Shape {
  readonly layers?: number;
  readonly hidden: number;
  readonly tower: { readonly width: number; readonly size: number; readonly patch: number };
}

const decoderLayer = (layer: string, hidden: number): Shapes => ({
  ...Object.fromEntries(['q', 'k', 'v', 'o'].map((n) => [`${layer}.self_attn.${n}_proj.weight`, [hidden, hidden]])),
  ...ffn(`${layer}.mlp`, hidden),
  [`${layer}.input_layernorm.weight`]: [hidden],
  [`${layer}.post_attention_layernorm.weight`]: [hidden],
});

const ffn = (name: string, hidden: number): Shapes => ({
  [`${name}.gate_proj.weight`]: [48, hidden],
  [`${name}.up_proj.weight`]: [48, hidden],
  [`${name}.down_proj.weight`]: [hidden, 48],
});

const language = ({ hidden, layers = 1 }: Shape): Shapes => ({
  'model.embed_tokens.weight': [VOCABULARY, hidden],
  ...Object.assign({}, ...Array.from({ length: layers }, (_, i) => decoderLayer(`model.layers.${i}`, hidden))),
  'model.norm.weight': [hidden],
  'lm_head.weight': [VOCABULARY, hidden],
});

const affine = (name: string, out: number, from: number): Shapes => ({ [`${name}.weight`]: [out, from], [`${name}.bias`]: [out] });
const norm = (name: string, width: number): Shapes => ({ [`${name}.weight`]: [width], [`${name}.bias`]: [width] });

function tower({ tower: { width, size, patch } }: Shape): Shapes {
  const layer = `${TOWER}.encoder.layers.0`;
  return {
    [`${TOWER}.embeddings.class_embedding`]: [width],
    [`${TOWER}.embeddings.patch_embedding.weight`]: [width, 3, patch, patch],
    [`${TOWER}.embeddings.position_embedding.weight`]: [1 + (size / patch) ** 2, width],
    ...norm(`${TOWER}.pre_layrnorm`, width),
    ...norm(`${layer}.layer_norm1`, width),
    ...norm(`${layer}.layer_norm2`, width),
    ...Object.assign({}, ...['q', 'k', 'v', 'out'].map((n) => affine(`${layer}.self_attn.${n}_proj`, width, width))),
    ...affine(`${layer}.mlp.fc1`, 32, width),
    ...affine(`${layer}.mlp.fc2`, width, 32),
  };
}

function resampler(prefix: string, queries: number, width: number, out: number, norms: readonly string[]): Shapes {
  return {
    [`${prefix}.query`]: [queries, width],
    [`${prefix}.pos_embed`]: [queries, width],
    [`${prefix}.attn.in_proj_weight`]: [3 * width, width],
    [`${prefix}.attn.in_proj_bias`]: [3 * width],
    ...affine(`${prefix}.attn.out_proj`, width, width),
    ...Object.assign({}, ...norms.map((n) => norm(`${prefix}.${n}`, width))),
    [`${prefix}.proj`]: [width, out],
  };
}

function safetensors(shapes: Shapes): Uint8Array {
  const header: Record<string, unknown> = {};
  const data: Float32Array[] = [];
  let at = 0;
  for (const [i, [name, shape]] of Object.entries(shapes).entries()) {
    const values = random(
      shape.reduce((a, b) => a * b, 1),
      i + 1,
    ).map((v) => v / 2);
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
    data.push(values);
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  at = 8 + json.length;
  for (const d of data) {
    bytes.set(new Uint8Array(d.buffer), at);
    at += d.byteLength;
  }
  return bytes;
}

/** Writes a checkpoint, calls `body` with its folder, and deletes it. */
async function withCheckpoint<T>(shape: Shape, extra: Shapes, config: object, body: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'pumice-model-'));
  try {
    await cp(fixture('tokenizer/tiny-spm'), dir, { recursive: true });
    await writeFile(join(dir, 'model.safetensors'), safetensors({ ...language(shape), ...tower(shape), ...extra }));
    await writeFile(
      join(dir, 'config.json'),
      JSON.stringify({
        model_type: 'llava_llama',
        hidden_size: shape.hidden,
        intermediate_size: 48,
        num_hidden_layers: shape.layers ?? 1,
        num_attention_heads: 4,
        vocab_size: VOCABULARY,
        max_position_embeddings: 2048,
        rms_norm_eps: 1e-5,
        mm_hidden_size: shape.tower.width,
        mm_vision_tower: 'tower',
        mm_vision_select_layer: -1,
        ...config,
      }),
    );
    await mkdir(join(dir, 'vision_tower'));
    const { width, size, patch } = shape.tower;
    await writeFile(
      join(dir, 'vision_tower', 'config.json'),
      JSON.stringify({
        hidden_size: width,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 4,
        image_size: size,
        patch_size: patch,
        hidden_act: 'quick_gelu',
      }),
    );
    await writeFile(
      join(dir, 'vision_tower', 'preprocessor_config.json'),
      JSON.stringify({ size: { shortest_edge: size }, crop_size: { height: size, width: size } }),
    );
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

const LLAVA: Shape = { hidden: 64, tower: { width: 16, size: 56, patch: 14 } };

export interface LlavaShape {
  /** Hidden states of the tower that the projector sees side by side. */
  readonly states?: readonly number[];
  /** The projector has a LayerNorm behind each linear layer. */
  readonly normed?: boolean;
}

/** LLaVA-1.5 with a tower of one layer. */
export const withLlava = <T>(body: (dir: string) => Promise<T>, { states = [-1], normed = false }: LlavaShape = {}): Promise<T> => {
  const [hidden, from] = [LLAVA.hidden, states.length * LLAVA.tower.width];
  const layers = (at: number, width: number): Shapes => ({
    ...affine(`model.mm_projector.${at}`, hidden, width),
    ...(normed && norm(`model.mm_projector.${at + 1}`, hidden)),
  });
  const config = {
    mm_vision_select_layer: states.length === 1 ? states[0] : states,
    mm_projector_type: normed ? 'mlp2x_gelu_Norm' : 'mlp2x_gelu',
  };
  return withCheckpoint(LLAVA, { ...layers(0, from), ...layers(normed ? 3 : 2, hidden) }, config, body);
};

/** MQT-LLaVA with 16 queries; `side`: patches of the tower's side. */
export const withMqt = <T>(
  body: (dir: string) => Promise<T>,
  config: object = { num_visual_tokens: 'second_stage' },
  layers: number = 1,
  side: number = 24,
): Promise<T> => {
  const shape = { layers, hidden: 64, tower: { width: 64, size: 4 * side, patch: 4 } };
  const extra = resampler('model.query_abstractor', 16, 64, 64, ['ln_q', 'ln_k', 'ln_v']);
  return withCheckpoint(shape, extra, { image_aspect_ratio: 'pad', mm_projector_type: 'linear', ...config }, body);
};

/** LLaVA-UHD with 16 queries over slices of 4 x 4 patches. */
export const withUhd = <T>(body: (dir: string) => Promise<T>, config: object = {}, layers: number = 1): Promise<T> => {
  const shape = { layers, hidden: 128, tower: { width: 16, size: 56, patch: 14 } };
  const extra = {
    ...resampler('model.mm_projector', 16, 128, 128, ['ln_q', 'ln_kv', 'ln_post']),
    'model.mm_projector.kv_proj.weight': [128, 16],
  };
  const ids = { separator_ids: { comma: 44, newline: 13 } };
  return withCheckpoint(shape, extra, { image_aspect_ratio: 'pad', mm_projector_type: 'adapt_spatial_resampler', ...ids, ...config }, body);
};

const SQUARE = { layers: 2, hidden: 64, tower: { width: 16, size: 56, patch: 14 } };
const projector: Shapes = affine('model.mm_projector', 64, 16);

/** LLaVA with 16 patches and two decoder layers. */
export const withPlain = <T>(body: (dir: string) => Promise<T>, config: object = {}): Promise<T> =>
  withCheckpoint(SQUARE, projector, { image_aspect_ratio: 'pad', mm_projector_type: 'linear', ...config }, body);

/** The same with 4 experts in the second layer, 2 for each row. */
export const withMoe = <T>(body: (dir: string) => Promise<T>): Promise<T> => {
  const experts = 'model.layers.1.mlp.deepspeed_moe';
  const layers: Shapes = {
    ...projector,
    ...Object.assign({}, ...[0, 1, 2, 3].map((i) => ffn(`${experts}.experts.deepspeed_experts.${i}`, SQUARE.hidden))),
    [`${experts}.gate.wg.weight`]: [4, SQUARE.hidden],
  };
  const moe = { moe_enable: true, moe_layers_idx: [1], num_experts: [4], top_k_experts: 2, eval_capacity_factor: 2, min_capacity: 0 };
  return withCheckpoint(SQUARE, layers, { image_aspect_ratio: 'pad', mm_projector_type: 'linear', moe }, body);
};

/** Dynamic-LLaVA that keeps half of the picture's 16 rows from layer 1 of 2 on. */
export const withDynamic = <T>(body: (dir: string) => Promise<T>, sparse: object = {}): Promise<T> => {
  const [m, d] = [32, SQUARE.hidden];
  const head = (name: string, [a, b, c]: readonly [number, number, number]): Shapes => ({
    ...affine(`${name}.${a}`, m / 2, m),
    ...affine(`${name}.${b}`, m / 4, m / 2),
    ...affine(`${name}.${c}`, 2, m / 4),
  });
  const [picture, text] = ['model.image_score_predictor', 'model.output_text_score_predictor.output_mlp'];
  const block = `${picture}.transformer.0`;
  const layers: Shapes = {
    ...projector,
    ...norm(`${picture}.down_mlp.0`, d),
    ...affine(`${picture}.down_mlp.1`, m, d),
    ...norm(`${block}.norm1`, m),
    ...norm(`${block}.norm2`, m),
    [`${block}.attn.qkv.weight`]: [3 * m, m],
    ...affine(`${block}.attn.proj`, m, m),
    ...affine(`${block}.mlp.fc1`, 48, m),
    ...affine(`${block}.mlp.fc2`, m, 48),
    ...head(`${picture}.output_mlp`, [0, 2, 4]),
    ...norm(`${text}.0`, d),
    ...affine(`${text}.1`, m, d),
    ...head(text, [3, 5, 7]),
  };
  const sparse_config = {
    ...{ use_instruct_predictor: false, vision_keep_rate: 0.5, sparse_layer: 1, d_model: m, nhead: 4, dim_feedforward: 48, num_layers: 1 },
    ...sparse,
  };
  return withCheckpoint(SQUARE, layers, { image_aspect_ratio: 'pad', mm_projector_type: 'linear', sparse_config }, body);
};
