// GGUF in canonical form: a language model with its projector file (mmproj), or one file that holds both.

import { chatTemplateFromGguf } from '../chat/templateSource.ts';
import { InputError } from '../errors.ts';
import { unstacked } from '../formats/experts.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { type GgufVisionConfig, ggufTextConfig, ggufVisionConfig, hasTower } from '../formats/ggufConfig.ts';
import { clipHubNames, languageHubNames } from '../formats/ggufNames.ts';
import { joined } from '../formats/joined.ts';
import { renamed } from '../formats/renamed.ts';
import { Config, type Json } from './config.ts';
import type { Checkpoint } from './model.ts';
import { ggufTokenizer, isOwn, openOwn } from './ownLayout.ts';

/** Opens a GGUF model; without `mmproj` the model file itself is looked through for a tower. */
export function openGgufPair(model: GgufFile, mmproj?: GgufFile): Checkpoint {
  if (isOwn(model)) return openOwn(model);
  const text = ggufTextConfig(model);
  const names = languageHubNames(text.architecture);
  if (!names) throw new InputError(`${model.name}: architecture ${text.architecture}: has no tensor names here`);
  const tower = mmproj ?? (hasTower(model) ? model : undefined);
  const language = renamed(unstacked(model, names), (n) => names(n) ?? (n.includes('.deepspeed_experts.') ? n : null));
  const config = new Config(model.name, {
    ...(text as unknown as Record<string, Json>),
    ...mixtureKeys(model, text.architecture),
    model_type: `llava_${text.architecture}`,
  });
  const template = chatTemplateFromGguf(model.meta);
  const base = {
    name: model.name,
    tokenizer: () => ggufTokenizer(model),
    ...(template !== null && { chatTemplate: template }),
  };
  if (!tower) return { ...base, config, files: language };

  const vision = ggufVisionConfig(tower);
  if (vision.projector_width !== null && vision.projector_width !== text.hidden_size) {
    throw new InputError(
      `${tower.name}: wrong mmproj: its image tokens are ${vision.projector_width} wide, ${model.name} takes ${text.hidden_size}: use the projector file that belongs to this model`,
    );
  }
  return {
    ...base,
    config: config.with(projectorKeys(vision)),
    files: joined([language, renamed(tower, clipHubNames(tower, vision.hidden_size))]),
    vision: { config: visionConfig(tower.name, vision), preprocessor: preprocessor(tower.name, vision) },
  };
}

/** The `moe` object of llama.cpp's mixtures, in which every choice is kept. */
function mixtureKeys({ meta, tensors }: GgufFile, architecture: string): Record<string, Json> {
  const count = meta.u32(`${architecture}.expert_count`, 0);
  if (count === 0) return {};
  const layers = [...tensors.values()].flatMap(({ name, shape }) => {
    const [, layer] = /^blk\.(\d+)\.ffn_gate_inp\.weight$/.exec(name) ?? [];
    return layer === undefined ? [] : [[Number(layer), shape[0]!] as const];
  });
  return {
    moe: {
      moe_enable: true,
      moe_layers_idx: layers.map(([layer]) => layer),
      num_experts: layers.map(([, experts]) => experts),
      top_k_experts: meta.u32(`${architecture}.expert_used_count`),
      eval_capacity_factor: count,
      min_capacity: 0,
    },
  };
}

/** Projector types under the names of config.json. */
const PROJECTORS: Readonly<Record<string, string>> = { mlp: 'mlp2x_gelu', mlp_norm: 'mlp2x_gelu_Norm' };

const projectorKeys = (v: GgufVisionConfig): Record<string, Json> => ({
  mm_vision_tower: 'inside',
  mm_hidden_size: v.hidden_size,
  mm_projector_type: PROJECTORS[v.projector_type] ?? v.projector_type,
  // All stored layers are run: the converter left out what the selection does not need.
  mm_vision_select_layer: v.feature_layers ?? v.select_layer,
  mm_vision_select_feature: 'patch',
  image_aspect_ratio: v.image_aspect_ratio ?? 'pad',
  mm_patch_merge_type: v.mm_patch_merge_type ?? 'flat',
  ...(v.image_grid_pinpoints ? { image_grid_pinpoints: v.image_grid_pinpoints } : {}),
});

const visionConfig = (name: string, v: GgufVisionConfig): Config =>
  new Config(name, {
    hidden_size: v.hidden_size,
    intermediate_size: v.intermediate_size,
    num_hidden_layers: v.num_hidden_layers,
    num_attention_heads: v.num_attention_heads,
    image_size: v.image_size,
    patch_size: v.patch_size,
    layer_norm_eps: v.layer_norm_eps,
    hidden_act: v.hidden_act,
  });

const preprocessor = (name: string, v: GgufVisionConfig): Config =>
  new Config(name, {
    size: { shortest_edge: v.image_size },
    crop_size: { height: v.image_size, width: v.image_size },
    image_mean: v.image_mean,
    image_std: v.image_std,
  });
