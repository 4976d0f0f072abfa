// Random resamplers of exact shapes: MQT-LLaVA's and LLaVA-UHD's projectors under the names of their checkpoints.

import type { WriteTensor } from '../formats/ggufWriter.ts';
import type { StorageType } from '../formats/tensors.ts';
import type { Json } from './config.ts';
import { PREFIX as MQT } from './mqt.ts';
import type { SynthTensor } from './synth.ts';
import { PREFIX as UHD } from './uhd.ts';

/** What a variant has in place of the MLP. */
export interface SynthVariant {
  /** It stands beside the MLP. */
  readonly keepsMlp?: boolean;
  /** Keys of config.json besides those of LLaVA-1.5. */
  readonly config: Readonly<Record<string, Json>>;
  /** `width`: of the language model; `from`: of the tower; `type`: of the matrices. */
  tensors(width: number, from: number, type: StorageType): SynthTensor[];
}

/** MQT-LLaVA (Hu et al. 2024): 256 queries as wide as the tower. */
export const MQT_VARIANT: SynthVariant = {
  config: { mm_projector_type: 'linear', num_visual_tokens: 'second_stage' },
  tensors: (width, from, type) => resampler(MQT, { queries: 256, width: from, out: width, norms: ['ln_q', 'ln_k', 'ln_v'] }, type),
};

/** LLaVA-UHD (Xu et al. 2024) as released: 144 queries with windows of their own. */
export const UHD_VARIANT: SynthVariant = {
  config: { mm_projector_type: 'adapt_spatial_resampler' },
  tensors: (width, from, type) => uhd(144, width, from, type),
};

/** LLaVA-UHD as in the paper: 64 queries that see the whole slice. */
export const UHD_PAPER_VARIANT: SynthVariant = {
  config: { mm_projector_type: 'resampler' },
  tensors: (width, from, type) => uhd(64, width, from, type),
};

const uhd = (queries: number, width: number, from: number, type: StorageType): WriteTensor[] => [
  { name: `${UHD}.kv_proj.weight`, type, shape: [width, from] },
  ...resampler(UHD, { queries, width, out: width, norms: ['ln_q', 'ln_kv', 'ln_post'] }, type),
];

interface Sizes {
  readonly queries: number;
  readonly width: number;
  readonly out: number;
  readonly norms: readonly string[];
}

/** `proj` keeps 16 bits: it is stored transposed, which blocks cannot be. */
function resampler(prefix: string, { queries, width, out, norms }: Sizes, type: StorageType): WriteTensor[] {
  const f32 = (name: string, ...shape: number[]): WriteTensor => ({ name: `${prefix}.${name}`, type: 'f32', shape });
  return [
    f32('query', queries, width),
    f32('pos_embed', queries, width),
    { name: `${prefix}.attn.in_proj_weight`, type, shape: [3 * width, width] },
    f32('attn.in_proj_bias', 3 * width),
    { name: `${prefix}.attn.out_proj.weight`, type, shape: [width, width] },
    f32('attn.out_proj.bias', width),
    ...norms.flatMap((norm) => ['weight', 'bias'].map((part) => f32(`${norm}.${part}`, width))),
    { name: `${prefix}.proj`, type: 'f16', shape: [width, out] },
  ];
}
