// A hub directory in canonical form: HF-native names and nested configs become the original LLaVA's.

import { loadChatTemplate } from '../chat/templateSource.ts';
import { InputError } from '../errors.ts';
import { withAdapter } from '../formats/adapter.ts';
import { openCheckpoint } from '../formats/checkpoint.ts';
import { joined } from '../formats/joined.ts';
import type { AddProduct } from '../formats/lora.ts';
import { renamed } from '../formats/renamed.ts';
import type { Folder } from '../formats/source.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { loadTokenizer } from '../tokenizer/load.ts';
import { COMPOSER_CHAT, composerConfig, composerTower, isComposer } from './composerLayout.ts';
import { Config, isObject, type Json } from './config.ts';
import { type Checkpoint, TOWER } from './model.ts';
import { isMoeLayout, moeLayoutConfig, moeLayoutName } from './moeLayout.ts';
import { hasOpenClipTower, openOpenClipTower } from './openClipLayout.ts';

/** Prefixes of HF-native exports (before and after transformers 5) and what they are in the original layout; the longest match counts. */
const PREFIXES: readonly (readonly [string, string])[] = [
  ['language_model.model.', 'model.'],
  ['language_model.lm_head.', 'lm_head.'],
  ['model.language_model.', 'model.'],
  ['multi_modal_projector.linear_1.', 'model.mm_projector.0.'],
  ['multi_modal_projector.linear_2.', 'model.mm_projector.2.'],
  ['model.multi_modal_projector.linear_1.', 'model.mm_projector.0.'],
  ['model.multi_modal_projector.linear_2.', 'model.mm_projector.2.'],
  ['vision_tower.vision_model.', `${TOWER}.`],
  ['model.vision_tower.vision_model.', `${TOWER}.`],
  ['image_newline', 'model.image_newline'],
];

/** Canonical name of a tensor of an HF-native checkpoint. */
export function canonicalName(name: string): string {
  for (const [from, to] of PREFIXES) if (name.startsWith(from)) return to + name.slice(from.length);
  return name;
}

/** Names of other repositories look like this, and so may relative paths: these begin with a dot. */
const REPOSITORY = /^\w[\w.-]*\/[\w.-]+$/;

export interface HubOptions {
  /** The tower's own repository, for checkpoints without one inside. */
  readonly tower?: Folder | undefined;
  /** What a training run changed: LoRA factors, `non_lora_trainables.bin`, or `mm_projector.bin` alone. Its config.json counts where it has one. */
  readonly adapter?: Folder | undefined;
  /** Adds the products of LoRA factors; default: a plain loop, many times slower than the kernels. */
  readonly addProduct?: AddProduct;
}

/** Opens a directory as it is on the hub. */
export async function openHubFolder(folder: Folder, { tower, adapter, addProduct }: HubOptions = {}): Promise<Checkpoint> {
  const home = adapter !== undefined && (await adapter.list()).includes('config.json') ? adapter : folder;
  const raw = Config.parse(`${home.name}/config.json`, await readText(home, 'config.json'));
  const own = await openCheckpoint(folder);
  const native = raw.object('vision_config') !== undefined;
  const moe = !native && isMoeLayout(raw);
  const config = native ? canonicalConfig(raw) : moe ? moeLayoutConfig(raw) : raw;
  const name = native ? canonicalName : moe ? moeLayoutName : undefined;
  const plain = name ? renamed(own, name) : own;
  const files = adapter === undefined ? plain : await withAdapter(plain, adapter, name, addProduct);
  const template = await loadChatTemplate(folder);
  const base = { name: folder.name, config, tokenizer: () => loadTokenizer(folder), ...(template !== null && { chatTemplate: template }) };

  if (isComposer(raw)) {
    const { files: all, vision } = composerTower(files, raw, TOWER, addProduct);
    return { ...base, ...COMPOSER_CHAT, config: composerConfig(raw), files: all, vision };
  }
  if (native) {
    const preprocessor = Config.parse(
      `${folder.name}/preprocessor_config.json`,
      (await maybeText(folder, 'preprocessor_config.json')) ?? '{}',
    );
    return { ...base, files, vision: { config: raw.object('vision_config')!, preprocessor } };
  }
  if (!config.has('mm_vision_tower')) return { ...base, files };

  if (hasOpenClipTower(config)) {
    const folders = [...(tower ? [tower] : []), home, folder];
    const own = await openOpenClipTower(config, folders, TOWER);
    return { ...base, files: joined([files, own.files]), vision: own.vision };
  }

  const towerName = config.string('mm_vision_tower');
  const beside = tower ?? (await folder.folder('vision_tower')) ?? (await folder.folder(`../${towerName.split('/').at(-1)}`));
  const at = beside ?? (REPOSITORY.test(towerName) ? await folder.repository?.(towerName) : undefined);
  if (!at) {
    throw new InputError(
      `${folder.name}: its vision tower ${towerName} lies in another repository: give its directory as \`tower\` (or put it at ${folder.name}/vision_tower)`,
    );
  }
  const towerRaw = Config.parse(`${at.name}/config.json`, await readText(at, 'config.json'));
  const preprocessor = Config.parse(`${at.name}/preprocessor_config.json`, (await maybeText(at, 'preprocessor_config.json')) ?? '{}');
  const vision = { config: towerRaw.object('vision_config') ?? towerRaw, preprocessor };
  const inside = [...files.tensors.keys()].some((n) => n.startsWith(`${TOWER}.`));
  if (inside) return { ...base, files, vision };
  const towerFiles: TensorFiles = renamed(await openCheckpoint(at), (n) =>
    n.startsWith('vision_model.') ? `${TOWER}.${n.slice('vision_model.'.length)}` : n,
  );
  return { ...base, files: joined([files, towerFiles]), vision };
}

/** The original LLaVA's keys from a nested HF config. Absent keys keep the defaults of the text model's class. */
function canonicalConfig(raw: Config): Config {
  const text = raw.object('text_config')?.values ?? {};
  const rope: { [key: string]: Json } = isObject(text.rope_parameters)
    ? { rope_theta: text.rope_parameters.rope_theta ?? 10000, rope_scaling: text.rope_parameters }
    : {};
  const layer: Json = raw.values.vision_feature_layer ?? -2;
  return new Config(raw.where, {
    ...text,
    ...rope,
    model_type: `llava_${typeof text.model_type === 'string' ? text.model_type : 'llama'}`,
    tie_word_embeddings: raw.values.tie_word_embeddings ?? text.tie_word_embeddings ?? false,
    mm_vision_tower: 'inside',
    mm_projector_type: 'mlp2x_gelu',
    mm_vision_select_layer: layer,
    mm_vision_select_feature: raw.string('vision_feature_select_strategy', 'default') === 'full' ? 'cls_patch' : 'patch',
    ...(raw.string('model_type', 'llava') === 'llava_next'
      ? {
          image_aspect_ratio: 'anyres',
          mm_patch_merge_type: 'spatial_unpad',
          image_grid_pinpoints: raw.values.image_grid_pinpoints ?? null,
          image_grid_order: 'height-first',
        }
      : { image_aspect_ratio: 'square' }),
    image_token_index: raw.values.image_token_index ?? raw.values.image_token_id ?? null,
  });
}

async function readText(folder: Folder, file: string): Promise<string> {
  const source = await folder.open(file);
  try {
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0);
    return new TextDecoder().decode(bytes);
  } finally {
    await source.close();
  }
}

async function maybeText(folder: Folder, file: string): Promise<string | undefined> {
  return (await folder.list()).includes(file) ? readText(folder, file) : undefined;
}
