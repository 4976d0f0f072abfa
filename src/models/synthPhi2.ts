// Phi-2 and MoE-LLaVA's mixtures over it, as random tensors and the keys of their files.

import type { WriteValue } from '../formats/ggufWriter.ts';
import type { StorageType } from '../formats/tensors.ts';
import type { Json } from './config.ts';
import type { LanguageShape, SynthFamily, SynthTensor } from './synth.ts';

/** Turning elements of a head. */
const ROTARY = 32;

/** Experts in every second layer from the first on, `k` of them for each row. */
export interface SynthMixture {
  readonly experts: number;
  readonly k: number;
}

/** Phi-2; with `mixture` MoE-LLaVA over it. */
export const phi2Family = (mixture?: SynthMixture): SynthFamily => ({
  architecture: 'phi2',
  metadata: () => metadata(mixture),
  config: (s) => config(s, mixture),
  tensors: (s, type) => tensors(s, type, mixture),
});

const isMixed = (layer: number): boolean => layer % 2 === 0;

function metadata(mixture?: SynthMixture): [string, WriteValue][] {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  return [
    ['phi2.rope.dimension_count', u32(ROTARY)],
    ['phi2.attention.layer_norm_epsilon', { type: 'f32', value: 1e-5 }],
    ...(mixture
      ? ([
          ['phi2.expert_count', u32(mixture.experts)],
          ['phi2.expert_used_count', u32(mixture.k)],
        ] as [string, WriteValue][])
      : []),
  ];
}

function config(s: LanguageShape, mixture?: SynthMixture): Record<string, Json> {
  const layers = Array.from({ length: s.layers }, (_, i) => i).filter(isMixed);
  return {
    model_type: mixture ? 'moe_llava_phi' : 'llava_phi',
    hidden_act: 'gelu_new',
    layer_norm_eps: 1e-5,
    partial_rotary_factor: (ROTARY * s.heads) / s.hidden,
    ...(mixture && {
      moe: {
        moe_enable: true,
        moe_layers_idx: layers,
        num_experts: layers.map(() => mixture.experts),
        top_k_experts: mixture.k,
        eval_capacity_factor: 2,
        min_capacity: 0,
        use_residual: false,
      },
    }),
  };
}

/** Each tensor begins elsewhere in the pool: layers with equal weights would pull all rows to one direction, and to the same experts. */
function tensors({ hidden, intermediate, layers, vocabulary }: LanguageShape, type: StorageType, mixture?: SynthMixture): SynthTensor[] {
  const all: SynthTensor[] = [];
  const add = (name: string, t: StorageType, shape: readonly number[], fill: SynthTensor['fill'] = 'random') =>
    all.push({ name, type: t, shape, fill, from: all.length * 977 });
  const affine = (name: string, ...shape: number[]) => {
    add(`${name}.weight`, type, shape);
    add(`${name}.bias`, 'f32', shape.slice(0, -1));
  };
  const norm = (name: string) => {
    add(`${name}.weight`, 'f32', [hidden], 'near one');
    add(`${name}.bias`, 'f32', [hidden]);
  };
  add('token_embd.weight', type, [vocabulary, hidden]);
  for (let i = 0; i < layers; i++) {
    norm(`blk.${i}.attn_norm`);
    for (const n of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) affine(`blk.${i}.${n}`, hidden, hidden);
    const mixed = mixture && isMixed(i) ? mixture : undefined;
    if (mixed) add(`blk.${i}.ffn_gate_inp.weight`, 'f32', [mixed.experts, hidden]);
    const stack = mixed ? [mixed.experts] : [];
    const name = (part: string) => `blk.${i}.ffn_${part}${mixed ? '_exps' : ''}`;
    affine(name('up'), ...stack, intermediate, hidden);
    affine(name('down'), ...stack, hidden, intermediate);
  }
  norm('output_norm');
  add('output.weight', type, [vocabulary, hidden]);
  return all;
}
