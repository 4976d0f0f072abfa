// A language model of the hub in llama.cpp's terms: metadata keys and tensor names.

import { UnsupportedError } from '../errors.ts';
import { languageGgufNames } from '../formats/ggufNames.ts';
import type { WriteValue } from '../formats/ggufWriter.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import type { Backbone } from '../models/backbone.ts';
import type { Config } from '../models/config.ts';
import { moeConfig } from '../models/moe.ts';
import { isMixture } from '../models/registry.ts';

/** How llama.cpp names our families; others have no architecture there. */
const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['llama', 'llama'],
  ['mistral', 'llama'],
  ['qwen', 'qwen'],
  ['qwen2', 'qwen2'],
  ['phi2', 'phi2'],
  ['stablelm', 'stablelm'],
]);

export interface LanguageTarget {
  /** `pumice` for models that llama.cpp has no architecture for: only we can read the file. */
  readonly architecture: string;
  /** GGUF name of a tensor; null: it keeps its own. */
  readonly nameOf: (name: string) => string | null;
  /** Heads whose rows must change their order, for q and k of architecture llama. */
  readonly heads: (name: string) => number | undefined;
}

export function languageTarget(b: Backbone): LanguageTarget {
  const architecture = ARCHITECTURES.get(b.family) ?? 'pumice';
  const names = languageGgufNames(architecture);
  return {
    architecture,
    nameOf: (name) => names?.(name) ?? null,
    heads(name) {
      if (architecture !== 'llama') return undefined;
      if (/^blk\.\d+\.attn_qkv\./.test(name))
        throw new UnsupportedError(`${name}: q, k and v in one matrix: a checkpoint with three is expected for this architecture`);
      return /^blk\.\d+\.attn_q\./.test(name) ? b.heads : /^blk\.\d+\.attn_k\./.test(name) ? b.kvHeads : undefined;
    },
  };
}

const u32 = (value: number): WriteValue => ({ type: 'u32', value });
const f32 = (value: number): WriteValue => ({ type: 'f32', value });

/** Keys `<architecture>.*`. */
export function languageKeys({ architecture: a }: LanguageTarget, b: Backbone, c: Config, files: TensorFiles): [string, WriteValue][] {
  if (a === 'pumice') return [];
  const layerNorm = a === 'phi2' || a === 'stablelm';
  const rms = a === 'qwen' ? c.number('layer_norm_epsilon', c.number('rms_norm_eps', 1e-6)) : c.number('rms_norm_eps', 1e-6);
  const keys: [string, WriteValue][] = [
    ['context_length', u32(b.context)],
    ['embedding_length', u32(b.hidden)],
    ['block_count', u32(b.layers)],
    ['feed_forward_length', u32(feedForwardLength(a, b, c, files))],
    ['attention.head_count', u32(b.heads)],
    ['attention.head_count_kv', u32(b.kvHeads)],
    ['attention.key_length', u32(b.dim)],
    ['attention.value_length', u32(b.dim)],
    layerNorm
      ? ['attention.layer_norm_epsilon', f32(c.number('layer_norm_eps', c.number('norm_eps', 1e-5)))]
      : ['attention.layer_norm_rms_epsilon', f32(rms)],
    ['rope.dimension_count', u32(b.rotary.dims)],
    ['rope.freq_base', f32(a === 'qwen' ? c.number('rotary_emb_base', 10000) : c.number('rope_theta', 10000))],
    ['vocab_size', u32(b.vocabulary)],
    ...(b.rotary.divisor === 1 ? [] : ropeScaling(b.rotary.divisor)),
    ...(a === 'stablelm'
      ? [['use_parallel_residual', { type: 'bool', value: c.bool('use_parallel_residual', false) }] as [string, WriteValue]]
      : []),
    ...mixture(c),
    ...(b.window === undefined ? [] : [['attention.sliding_window', u32(b.window)] as [string, WriteValue]]),
  ];
  return keys.map(([key, value]) => [`${a}.${key}`, value]);
}

/** Of a mixture; which layers have how many experts stands in the tensors. */
function mixture(c: Config): [string, WriteValue][] {
  if (!isMixture(c)) return [];
  const { experts, k, residual } = moeConfig(c);
  return [
    ['expert_count', u32(Math.max(...experts))],
    ['expert_used_count', u32(k)],
    ...(residual ? [['expert_shared_count', u32(1)] as [string, WriteValue]] : []),
  ];
}

const ropeScaling = (factor: number): [string, WriteValue][] => [
  ['rope.scaling.type', { type: 'string', value: 'linear' }],
  ['rope.scaling.factor', f32(factor)],
];

/** From the config, else from the matrices of a dense layer; of qwen (v1) twice the width of the matrices. */
function feedForwardLength(architecture: string, b: Backbone, c: Config, files: TensorFiles): number {
  if (c.has('intermediate_size')) return c.size('intermediate_size');
  for (const [name, info] of files.tensors) {
    if (/^(model\.layers|transformer\.h)\.\d+\.mlp\.(up_proj|w1|fc1)\.weight$/.test(name))
      return info.shape[0]! * (architecture === 'qwen' ? 2 : 1);
  }
  return 4 * b.hidden;
}

/** What stands in checkpoints and no model reads: tables that are computed, and the text half of CLIP. */
export const isLeftOver = (name: string): boolean =>
  /(position_ids|rotary_emb\.inv_freq|masked_bias|\.attn\.bias|logit_scale|text_projection\.weight|visual_projection\.weight)$/.test(
    name,
  ) || name.startsWith('text_model.');
