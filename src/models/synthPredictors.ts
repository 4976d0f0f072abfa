// Dynamic-LLaVA's predictors with random weights, beside LLaVA-1.5's projector, under the names of its checkpoints.

import type { WriteTensor } from '../formats/ggufWriter.ts';
import type { SynthTensor } from './synth.ts';
import type { SynthVariant } from './synthResamplers.ts';

/** Sizes of the released predictors. */
const MODEL = 512;
const FEED_FORWARD = 2048;
const BLOCKS = 2;

/** Dynamic-LLaVA (Huang et al. 2024) as released, dropping rows before layer `layer`. */
export const dynamicVariant = (layer: number): SynthVariant => ({
  keepsMlp: true,
  config: {
    mm_projector_type: 'mlp2x_gelu',
    sparse_config: {
      use_vision_predictor: true,
      vision_keep_rate: 0.2,
      use_text_predictor: true,
      use_output_text_predictor: true,
      use_instruct_predictor: false,
      sparse_layer: layer,
      d_model: MODEL,
      nhead: 8,
      dim_feedforward: FEED_FORWARD,
      num_layers: BLOCKS,
    },
  },
  tensors: (width) => [
    ...picturePredictor('model.image_score_predictor', width),
    ...textPredictor('model.output_text_score_predictor', width),
  ],
});

/** 16 bits throughout: decisions are discrete. Biases too, since random f32 values are near one. */
const affine = (name: string, out: number, from: number): WriteTensor[] => [
  { name: `${name}.weight`, type: 'f16', shape: [out, from] },
  { name: `${name}.bias`, type: 'f16', shape: [out] },
];

const norm = (name: string, width: number): WriteTensor[] => [
  { name: `${name}.weight`, type: 'f32', shape: [width] },
  { name: `${name}.bias`, type: 'f16', shape: [width] },
];

/** Half, a quarter of the width, then 2. */
const head = (name: string, [a, b, c]: readonly [number, number, number]): WriteTensor[] => [
  ...affine(`${name}.${a}`, MODEL / 2, MODEL),
  ...affine(`${name}.${b}`, MODEL / 4, MODEL / 2),
  ...affine(`${name}.${c}`, 2, MODEL / 4),
];

const picturePredictor = (name: string, width: number): WriteTensor[] => [
  ...norm(`${name}.down_mlp.0`, width),
  ...affine(`${name}.down_mlp.1`, MODEL, width),
  ...Array.from({ length: BLOCKS }, (_, i) => `${name}.transformer.${i}`).flatMap((block) => [
    ...norm(`${block}.norm1`, MODEL),
    ...norm(`${block}.norm2`, MODEL),
    { name: `${block}.attn.qkv.weight`, type: 'f16' as const, shape: [3 * MODEL, MODEL] },
    ...affine(`${block}.attn.proj`, MODEL, MODEL),
    ...affine(`${block}.mlp.fc1`, FEED_FORWARD, MODEL),
    ...affine(`${block}.mlp.fc2`, MODEL, FEED_FORWARD),
  ]),
  ...head(`${name}.output_mlp`, [0, 2, 4]),
];

/** A bias with which about every second token stays, as trained ones are meant to. */
const EVEN = 2231;

const textPredictor = (name: string, width: number): SynthTensor[] => [
  ...norm(`${name}.output_mlp.0`, width),
  ...affine(`${name}.output_mlp.1`, MODEL, width),
  ...head(`${name}.output_mlp`, [3, 5, 7]).map((t) => (t.name.endsWith('7.bias') ? { ...t, from: EVEN } : t)),
];
