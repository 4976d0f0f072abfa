// A tower in open_clip's own files (LLaVA-Rad): a JSON that names a model of timm, and a training checkpoint that also holds text tower and optimizer.

import { FormatError, InputError } from '../errors.ts';
import { openFirst } from '../formats/checkpoint.ts';
import { renamed } from '../formats/renamed.ts';
import type { Folder } from '../formats/source.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { Config } from './config.ts';
import { timmVitConfig } from './timmVit.ts';

/** Does a config name such a tower? */
export const hasOpenClipTower = (c: Config): boolean => c.has('mm_vision_tower_config');

/** The picture half of a checkpoint. */
export interface OpenedTower {
  readonly files: TensorFiles;
  readonly vision: { readonly config: Config; readonly preprocessor: Config };
}

/** Names that the releases use, after the config's own; training paths rarely exist where a checkpoint is used. */
const CONFIGS = ['biomedclipcxr_518.json', 'open_clip_config.json'];
const WEIGHTS = [
  'biomedclipcxr_518_checkpoint.pt',
  'vision_checkpoint.safetensors',
  'open_clip_model.safetensors',
  'open_clip_pytorch_model.bin',
];

/** Tensors of the picture tower without its head, at any depth of dicts: `state_dict.module.visual.trunk.*`. */
const TRUNK = /^(?:state_dict\.)?(?:module\.)?visual\.trunk\.(?!head\.)/;

/**
 * Opens the tower that `config` names in the first of `folders` that has it; its tensors stand below `prefix`.
 * @throws InputError where a file is missing; FormatError where it holds no ViT of timm
 */
export async function openOpenClipTower(config: Config, folders: readonly Folder[], prefix: string): Promise<OpenedTower> {
  const own = (key: string): string[] => (config.has(key) ? [config.string(key).split(/[\\/]/).at(-1)!] : []);
  const described = await findIn(folders, [...own('mm_vision_tower_config'), ...CONFIGS], async (folder, name) => {
    if (!(await folder.list()).includes(name)) return undefined;
    const source = await folder.open(name);
    try {
      const bytes = new Uint8Array(source.size);
      await source.readInto(bytes, 0);
      return Config.parse(source.name, new TextDecoder().decode(bytes));
    } finally {
      await source.close();
    }
  });
  const weights = own('mm_vision_tower_checkpoint').flatMap((name) => [name, name.replace(/\.\w+$/, '.safetensors')]);
  const all = await findIn(folders, [...weights, ...WEIGHTS], (folder, name) => openFirst(folder, [name]));
  try {
    const files = renamed(all, (name) => (TRUNK.test(name) ? name.replace(TRUNK, `${prefix}.`) : null));
    return { files, vision: visionOf(described, timmVitConfig(files, prefix)) };
  } catch (error) {
    await all.close();
    throw error;
  }
}

async function findIn<T>(
  folders: readonly Folder[],
  names: readonly string[],
  open: (folder: Folder, name: string) => Promise<T | undefined>,
): Promise<T> {
  for (const name of names) {
    for (const folder of folders) {
      const found = await open(folder, name);
      if (found !== undefined) return found;
    }
  }
  throw new InputError(
    `${folders.map((f) => f.name).join(', ')}: the vision tower of open_clip is missing: ${names[0]} is expected there, or in the directory given as \`tower\``,
  );
}

/** Size and patch must be those of the tensors. open_clip puts the cut of the middle on the even pixel of two nearest. */
function visionOf(described: Config, sizes: Config): OpenedTower['vision'] {
  const vision = described.object('vision_cfg') ?? described;
  const size = vision.size('image_size', sizes.size('image_size'));
  const patch = Number(/patch(\d+)/.exec(vision.string('timm_model_name', ''))?.[1] ?? sizes.size('patch_size'));
  const got = [sizes.size('image_size'), sizes.size('patch_size')];
  if (got[0] !== Math.floor(size / patch) * patch || got[1] !== patch)
    throw new FormatError(
      'config',
      `${vision.where}: got ${size} pixels in patches of ${patch}, the weights have ${got[0]} in patches of ${got[1]}`,
    );
  return {
    config: sizes.with({ image_size: size }),
    preprocessor: new Config(vision.where, {
      size: { shortest_edge: size },
      crop_size: { height: size, width: size },
      crop_rounding: 'even',
    }),
  };
}
