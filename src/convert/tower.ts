// CLIP tower and projector in llama.cpp's terms: keys `clip.*`.

import type { WriteValue } from '../formats/ggufWriter.ts';
import { clipConfig } from '../models/clip.ts';
import type { Config } from '../models/config.ts';
import { selectedStates } from '../models/llava15.ts';
import type { Checkpoint } from '../models/model.ts';

const u32 = (value: number): WriteValue => ({ type: 'u32', value });
const bool = (value: boolean): WriteValue => ({ type: 'bool', value });

/** Layers that the selected hidden states need; the file holds no others, since its readers run all that they find. */
export const towerDepth = (config: Config, vision: Config): number => Math.max(...selectedStates(config, clipConfig(vision)));

/** Projectors that readers tell by their tensors: with norms there is an `mm.3`. */
const MLPS: readonly string[] = ['mlp2x_gelu', 'mlp2x_gelu_Norm'];

/** The keys of a CLIP tower with an MLP projector; none for towers that llama.cpp would not know. */
export function towerKeys({ config, vision }: Checkpoint): [string, WriteValue][] {
  const projector = config.string('mm_projector_type', 'linear');
  if (!vision || !MLPS.includes(projector)) return [];
  const c = clipConfig(vision.config);
  const activation = vision.config.string('hidden_act', 'quick_gelu');
  const { preprocessor } = vision;
  const selected = selectedStates(config, c);
  const pinpoints = config.values.image_grid_pinpoints;
  const order = config.string('image_grid_order', 'width-first');
  const optional = (key: string, name: string): [string, WriteValue][] =>
    config.has(key) ? [[`clip.vision.${name}`, { type: 'string', value: config.string(key) }]] : [];
  return [
    ['clip.has_text_encoder', bool(false)],
    ['clip.has_vision_encoder', bool(true)],
    ['clip.has_llava_projector', bool(true)],
    ['clip.projector_type', { type: 'string', value: 'mlp' }],
    ['clip.use_gelu', bool(activation === 'gelu')],
    ['clip.use_silu', bool(false)],
    ['clip.vision.image_size', u32(c.imageSize)],
    ['clip.vision.patch_size', u32(c.patch)],
    ['clip.vision.embedding_length', u32(c.hidden)],
    ['clip.vision.feed_forward_length', u32(c.intermediate)],
    ['clip.vision.projection_dim', u32(vision.config.number('projection_dim', 768))],
    ['clip.vision.attention.head_count', u32(c.heads)],
    ['clip.vision.block_count', u32(towerDepth(config, vision.config))],
    ...(selected.length > 1 ? [['clip.vision.feature_layer', { type: 'i32s', value: selected }] as [string, WriteValue]] : []),
    ['clip.vision.attention.layer_norm_epsilon', { type: 'f32', value: c.eps }],
    ['clip.vision.image_mean', { type: 'f32s', value: preprocessor.numbers('image_mean') ?? [0.48145466, 0.4578275, 0.40821073] }],
    ['clip.vision.image_std', { type: 'f32s', value: preprocessor.numbers('image_std') ?? [0.26862954, 0.26130258, 0.27577711] }],
    ...optional('image_aspect_ratio', 'image_aspect_ratio'),
    ...optional('mm_patch_merge_type', 'mm_patch_merge_type'),
    ...(Array.isArray(pinpoints)
      ? [['clip.vision.image_grid_pinpoints', { type: 'i32s', value: flat(pinpoints, order) }] as [string, WriteValue]]
      : []),
  ];
}

/** Pairs of numbers as one list of width, height, width, ... */
function flat(pairs: readonly unknown[], order: string): number[] {
  return pairs.flatMap((pair) => (Array.isArray(pair) ? (order === 'height-first' ? [pair[1], pair[0]] : pair) : [])).map(Number);
}
