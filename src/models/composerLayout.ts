// Share-Captioner's checkpoint (InternLM-XComposer, ShareGPT4V project) in canonical form: everything lies in one set of tensors, the language
// model's LoRA factors among them; sizes of tower and Q-Former stand in no config.

import { readPairs } from '../formats/adapter.ts';
import { type AddProduct, mergedLora } from '../formats/lora.ts';
import { renamed } from '../formats/renamed.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { Config } from './config.ts';
import type { OpenedTower } from './openClipLayout.ts';
import { timmVitConfig } from './timmVit.ts';

/** Does a config have this layout? */
export const isComposer = (c: Config): boolean => c.string('model_type', '') === 'InternLMXComposer';

/** The original LLaVA's keys: the tower's last hidden state with its class row. */
export const composerConfig = (c: Config): Config =>
  c.with({ mm_vision_tower: 'inside', mm_vision_select_layer: -1, mm_vision_select_feature: 'cls_patch' });

/** How the remote code writes a dialogue; the captioner's own question is a text of the user. */
export const COMPOSER_CHAT: { readonly chatTemplate: string; readonly stop: readonly string[] } = {
  chatTemplate: [
    "{% for message in messages %}{{ '<|Bot|>:' if message.role == 'assistant' else '<|User|>:' }}",
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}",
    "{{ '<TOKENS_UNUSED_1>' if message.role == 'assistant' else '<TOKENS_UNUSED_0>' }}\n{% endfor %}",
    '{% if add_generation_prompt %}<|Bot|>:{% endif %}',
  ].join(''),
  stop: ['<TOKENS_UNUSED_1>'],
};

const LANGUAGE = 'internlm_model.';

/**
 * The tensors under canonical names with the factors merged; the tower's stand below `prefix`. Closing the view closes the files.
 * @throws FormatError where there is no tower, or factors do not fit; what mergedLora throws
 */
export function composerTower(files: TensorFiles, c: Config, prefix: string, addProduct?: AddProduct): OpenedTower {
  const named = renamed(files, (name) =>
    name.startsWith(LANGUAGE) ? name.slice(LANGUAGE.length) : name.replace(/^visual_encoder\./, `${prefix}.`),
  );
  const sizes = timmVitConfig(named, prefix);
  const side = sizes.size('image_size');
  // Pictures are stretched: nothing is padded or cut off.
  const preprocessor = new Config(sizes.where, { size: { height: side, width: side }, do_center_crop: false });
  return { files: withOwnLora(named, c.object('internlm_lora'), addProduct), vision: { config: sizes, preprocessor } };
}

function withOwnLora(files: TensorFiles, lora: Config | undefined, addProduct?: AddProduct): TensorFiles {
  if (!lora) return files;
  const isFactor = (name: string) => name.includes('.lora_');
  const base = renamed(files, (name) => (isFactor(name) ? null : name));
  // The merged view closes the files once, as the base.
  const factors = { ...renamed(files, (name) => (isFactor(name) ? name : null)), close: async () => {} };
  const config = { alpha: lora.number('lora_alpha'), fanInFanOut: false, rankStabilized: false };
  const pairs = readPairs(factors, (name) => name);
  return mergedLora(base, factors, pairs, config, addProduct);
}
