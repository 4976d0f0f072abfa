// The weights of a hub repository: picks what to read in a folder.

import { InputError, UnsupportedError } from '../errors.ts';
import { openSafetensors, openSafetensorsShards } from './safetensors.ts';
import type { Folder } from './source.ts';
import type { TensorFiles } from './tensors.ts';

type Open = (folder: Folder, file: string) => Promise<TensorFiles>;

const refuseBin: Open = async (folder, file) => {
  throw new UnsupportedError(
    `${folder.name}: has only PyTorch weights (${file}), which cannot be read yet: use a repository with .safetensors, or convert it`,
  );
};

/** In the order of preference; the first pattern that a file matches wins. Variants such as model.fp16.safetensors come after the plain name. */
const CHOICES: readonly (readonly [RegExp, Open])[] = [
  [/^model\.safetensors\.index\.json$/, openSafetensorsShards],
  [/^model\.safetensors$/, async (folder, file) => openSafetensors(await folder.open(file))],
  [/^model\.[\w-]+\.safetensors$/, async (folder, file) => openSafetensors(await folder.open(file))],
  [/^pytorch_model\.bin\.index\.json$/, refuseBin],
  [/^pytorch_model\.bin$/, refuseBin],
];

/**
 * Opens the weights of a folder: safetensors index, single safetensors, bin index, single bin, in this order.
 * @throws InputError where there is nothing of these; UnsupportedError where there is only .bin; what openSafetensors throws
 */
export async function openCheckpoint(folder: Folder): Promise<TensorFiles> {
  const files = (await folder.list()).toSorted();
  for (const [pattern, open] of CHOICES) {
    const file = files.find((name) => pattern.test(name));
    if (file !== undefined) return open(folder, file);
  }
  throw new InputError(`${folder.name}: has no weights: model.safetensors or model.safetensors.index.json is expected`);
}
