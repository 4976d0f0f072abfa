// Tensor names of GGUF files and of the hub's checkpoints, as tables. A name is a stem, mostly followed by `.weight` or `.bias`; `{i}` is a layer.
//
// Only names are mapped. GGUF files of architecture llama also have the rows of q and k in the order of interleaved rope: see `rope_pairing` in ggufConfig.ts.

import type { TensorFiles } from './tensors.ts';

/** GGUF stem, hub stem. */
type Names = readonly (readonly [gguf: string, hub: string])[];

const TOP: Names = [
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
  // The hub computes these divisors of the inverse frequencies from config.json (Llama 3.1 and later).
  ['rope_freqs', 'model.rope_freqs'],
];

const ATTENTION: Names = [
  ['blk.{i}.attn_norm', 'model.layers.{i}.input_layernorm'],
  ['blk.{i}.attn_q', 'model.layers.{i}.self_attn.q_proj'],
  ['blk.{i}.attn_k', 'model.layers.{i}.self_attn.k_proj'],
  ['blk.{i}.attn_v', 'model.layers.{i}.self_attn.v_proj'],
  // Fused rows q, k, v: some converters write them for any architecture.
  ['blk.{i}.attn_qkv', 'model.layers.{i}.self_attn.qkv_proj'],
];

const GATED: Names = [
  ['blk.{i}.ffn_norm', 'model.layers.{i}.post_attention_layernorm'],
  ['blk.{i}.ffn_gate', 'model.layers.{i}.mlp.gate_proj'],
  ['blk.{i}.ffn_up', 'model.layers.{i}.mlp.up_proj'],
  ['blk.{i}.ffn_down', 'model.layers.{i}.mlp.down_proj'],
];

const LLAMA: Names = [...TOP, ...ATTENTION, ['blk.{i}.attn_output', 'model.layers.{i}.self_attn.o_proj'], ...GATED];

/** A mixture's router and the dense FFN beside its experts; the experts themselves are stacks: see experts.ts. */
function withRouters(names: Names): Names {
  const dense = names.filter(([gguf]) => /\.ffn_(gate|up|down)$/.test(gguf));
  const [, hub = ''] = dense[0] ?? [];
  return [
    ...names,
    ['blk.{i}.ffn_gate_inp', hub.replace(/\.mlp\..*$/, '.mlp.deepspeed_moe.gate.wg')],
    ...dense.map(([from, to]) => [`${from}_shexp`, to.replace('.mlp.', '.mlp.mlp.')] as const),
  ];
}

/** One table per `general.architecture` of language models. */
const DENSE: readonly (readonly [architecture: string, names: Names])[] = [
  ['llama', LLAMA],
  ['qwen2', LLAMA],
  [
    'stablelm',
    [
      ...LLAMA,
      ['blk.{i}.attn_q_norm', 'model.layers.{i}.self_attn.q_layernorm'],
      ['blk.{i}.attn_k_norm', 'model.layers.{i}.self_attn.k_layernorm'],
    ],
  ],
  [
    'phi2',
    [
      ['token_embd', 'model.embed_tokens'],
      ['output_norm', 'model.final_layernorm'],
      ['output', 'lm_head'],
      ...ATTENTION,
      ['blk.{i}.attn_output', 'model.layers.{i}.self_attn.dense'],
      ['blk.{i}.ffn_up', 'model.layers.{i}.mlp.fc1'],
      ['blk.{i}.ffn_down', 'model.layers.{i}.mlp.fc2'],
    ],
  ],
  [
    'qwen',
    [
      ['token_embd', 'transformer.wte'],
      ['output_norm', 'transformer.ln_f'],
      ['output', 'lm_head'],
      ['blk.{i}.attn_norm', 'transformer.h.{i}.ln_1'],
      ['blk.{i}.attn_qkv', 'transformer.h.{i}.attn.c_attn'],
      ['blk.{i}.attn_output', 'transformer.h.{i}.attn.c_proj'],
      ['blk.{i}.ffn_norm', 'transformer.h.{i}.ln_2'],
      ['blk.{i}.ffn_gate', 'transformer.h.{i}.mlp.w2'],
      ['blk.{i}.ffn_up', 'transformer.h.{i}.mlp.w1'],
      ['blk.{i}.ffn_down', 'transformer.h.{i}.mlp.c_proj'],
    ],
  ],
];

const LANGUAGE: ReadonlyMap<string, Names> = new Map(DENSE.map(([architecture, names]) => [architecture, withRouters(names)]));

const TOWER = 'model.vision_tower.vision_tower.vision_model';
const TOWER_LAYER = `${TOWER}.encoder.layers.{i}`;

/** Vision tower and projector under the names of LLaVA's own checkpoints. */
const CLIP: Names = [
  ['v.class_embd', `${TOWER}.embeddings.class_embedding`],
  ['v.patch_embd', `${TOWER}.embeddings.patch_embedding`],
  ['v.position_embd', `${TOWER}.embeddings.position_embedding`],
  ['v.pre_ln', `${TOWER}.pre_layrnorm`], // sic
  ['v.blk.{i}.attn_q', `${TOWER_LAYER}.self_attn.q_proj`],
  ['v.blk.{i}.attn_k', `${TOWER_LAYER}.self_attn.k_proj`],
  ['v.blk.{i}.attn_v', `${TOWER_LAYER}.self_attn.v_proj`],
  ['v.blk.{i}.attn_qkv', `${TOWER_LAYER}.self_attn.qkv_proj`],
  ['v.blk.{i}.attn_out', `${TOWER_LAYER}.self_attn.out_proj`],
  ['v.blk.{i}.ln1', `${TOWER_LAYER}.layer_norm1`],
  ['v.blk.{i}.ln2', `${TOWER_LAYER}.layer_norm2`],
  ['v.blk.{i}.ffn_up', `${TOWER_LAYER}.mlp.fc1`],
  ['v.blk.{i}.ffn_down', `${TOWER_LAYER}.mlp.fc2`],
  ['v.post_ln', `${TOWER}.post_layernorm`],
  ['mm.0', 'model.mm_projector.0'],
  ['mm.1', 'model.mm_projector.1'],
  ['mm.2', 'model.mm_projector.2'],
  ['mm.3', 'model.mm_projector.3'],
  ['mm.4', 'model.mm_projector.4'],
  ['v.image_newline', 'model.image_newline'],
];

/** Older files have their own name for it. */
const CLIP_READ: Names = [...CLIP, ['model.image_newline', 'model.image_newline']];

/** The converter of 2023 and 2024 wrote the first linear layer of the MLP as ffn_down and the second as ffn_up. */
const SWAPPED: Names = CLIP_READ.map(([gguf, hub]) => [
  gguf.endsWith('.ffn_up') ? gguf.replace('ffn_up', 'ffn_down') : gguf.replace('ffn_down', 'ffn_up'),
  hub,
]);

/** A function from names of one kind to the other; `null` for a name that the table lacks. */
export type NameMap = (name: string) => string | null;

function nameMap(pairs: Iterable<readonly [from: string, to: string]>): NameMap {
  const table = new Map(pairs);
  return (name) => {
    const [, whole = name, suffix = ''] = /^(.*)(\.weight|\.bias)$/s.exec(name) ?? [];
    let layer = '';
    const stem = whole.replace(/(^|\.)(blk|layers|h)\.(\d+)\./, (_all, before: string, word: string, index: string) => {
      layer = index;
      return `${before}${word}.{i}.`;
    });
    const to = table.get(stem);
    return to === undefined ? null : to.replace('{i}', layer) + suffix;
  };
}

const reversed = (names: Names): [string, string][] => names.map(([gguf, hub]) => [hub, gguf]);

/** The architectures of language models that have a name table. */
export const LANGUAGE_ARCHITECTURES: readonly string[] = [...LANGUAGE.keys()];

/** GGUF names of a language model -> hub names (`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`). `null` without a table for the architecture. */
export function languageHubNames(architecture: string): NameMap | null {
  const names = LANGUAGE.get(architecture);
  return names === undefined ? null : nameMap(names);
}

/** Hub names of a language model -> GGUF names. `null` without a table for the architecture. */
export function languageGgufNames(architecture: string): NameMap | null {
  const names = LANGUAGE.get(architecture);
  return names === undefined ? null : nameMap(reversed(names));
}

/**
 * Names of a projector file (mmproj) -> LLaVA's names, with `model.vision_tower.vision_tower.vision_model` for the tower and `model.mm_projector` for the projector.
 * Looks at the shapes to tell whether the file has ffn_up and ffn_down swapped: the first linear layer takes `hidden_size` values in.
 */
export function clipHubNames(files: TensorFiles, hiddenSize: number): NameMap {
  return nameMap(isSwapped(files, hiddenSize) ? SWAPPED : CLIP_READ);
}

/** LLaVA's names of tower and projector -> names of a projector file as new converters write it (nothing swapped). */
export function clipGgufNames(): NameMap {
  return nameMap(reversed(CLIP));
}

function isSwapped(files: TensorFiles, hiddenSize: number): boolean {
  for (const tensor of files.tensors.values()) {
    if (/^v\.blk\.\d+\.ffn_down\.weight$/.test(tensor.name)) return tensor.shape.at(-1) === hiddenSize;
  }
  return false;
}
