// The weights of a hub repository: picks what to read in a folder.

import { InputError } from '../errors.ts';
import { joined } from './joined.ts';
import { openSafetensors, openSafetensorsShards } from './safetensors.ts';
import { openShards } from './shards.ts';
import type { Folder } from './source.ts';
import type { TensorFiles } from './tensors.ts';
import { openTorchBin } from './torchBin.ts';

type Open = (folder: Folder, file: string) => Promise<TensorFiles>;

const single: Open = async (folder, file) =>
  file.endsWith('.safetensors') ? openSafetensors(await folder.open(file)) : openTorchBin(await folder.open(file));
const binShards: Open = async (folder, file) => (await openShards(folder, file, openTorchBin)).files;

/** In the order of preference; the first pattern that a file matches wins. Variants such as model.fp16.safetensors come after the plain name. */
const CHOICES: readonly (readonly [RegExp, Open])[] = [
  [/^model\.safetensors\.index\.json$/, openSafetensorsShards],
  [/^model\.safetensors$/, single],
  [/^model\.[\w-]+\.safetensors$/, single],
  [/^pytorch_model\.bin\.index\.json$/, binShards],
  [/^pytorch_model\.bin$/, single],
  [/^pytorch_model\.[\w-]+\.bin$/, single],
];

/** Where the projector lies that LLaVA's training saves apart from the language model. */
const PROJECTORS = ['mm_projector.safetensors', 'mm_projector.bin', 'llava.projector'];

/**
 * Opens the weights of a folder: safetensors index, single safetensors, bin index, single bin, in this order. A projector in a file of its
 * own beside them is added, unless the weights have one: then that one is the tuned one.
 * @throws InputError where there is nothing of these; what openSafetensors, openShards and openTorchBin throw
 */
export async function openCheckpoint(folder: Folder): Promise<TensorFiles> {
  const list = (await folder.list()).toSorted();
  for (const [pattern, open] of CHOICES) {
    const file = list.find((name) => pattern.test(name));
    if (file === undefined) continue;
    const files = await open(folder, file);
    try {
      if ([...files.tensors.keys()].some((name) => name.includes('mm_projector'))) return files;
      const projector = await openFirst(folder, PROJECTORS);
      return projector === undefined ? files : joined([files, projector]);
    } catch (error) {
      await files.close();
      throw error;
    }
  }
  throw new InputError(`${folder.name}: has no weights: model.safetensors, pytorch_model.bin or an index of one of them is expected`);
}

/** Opens the projector that LLaVA's training saves apart (`mm_projector.bin`); undefined where there is none. */
export function openProjector(folder: Folder): Promise<TensorFiles | undefined> {
  return openFirst(folder, PROJECTORS);
}

/** Opens the first of these files (.safetensors, or PyTorch's under any other name) that the folder has; undefined where it has none. */
export async function openFirst(folder: Folder, names: readonly string[]): Promise<TensorFiles | undefined> {
  const list = await folder.list();
  const file = names.find((name) => list.includes(name));
  return file === undefined ? undefined : single(folder, file);
}
