// A view of tensor files under other names: a model file asks for hub names, whatever the format calls its tensors.

import { FormatError, InputError } from '../errors.ts';
import type { TensorFiles, TensorInfo } from './tensors.ts';

/**
 * The same tensors under the names that `mapName` gives them; `null` leaves a tensor out. Closing the view closes the files.
 * @throws FormatError `duplicate` where two tensors get the same name
 */
export function renamed(files: TensorFiles, mapName: (name: string) => string | null): TensorFiles {
  const tensors = new Map<string, TensorInfo>();
  const originals = new Map<string, TensorInfo>();
  for (const info of files.tensors.values()) {
    const name = mapName(info.name);
    if (name === null) continue;
    const other = originals.get(name);
    if (other !== undefined)
      throw new FormatError('duplicate', `${files.name}: the tensors ${other.name} and ${info.name} both stand for ${name}`);
    tensors.set(name, { ...info, name });
    originals.set(name, info);
  }
  return {
    name: files.name,
    tensors,
    async readInto(tensor, target, from) {
      const original = originals.get(tensor.name);
      if (original === undefined) throw new InputError(`${files.name}: there is no tensor ${tensor.name}`);
      await files.readInto(original, target, from);
    },
    close: () => files.close(),
  };
}
