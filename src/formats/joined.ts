// Several sets of tensors seen as one: a language model and its mmproj, a checkpoint and its tower's repository.

import { FormatError } from '../errors.ts';
import type { TensorFiles, TensorInfo } from './tensors.ts';

/** The union of the sets. Of a name that several have, the first set's tensor is taken. */
export function joined(sets: readonly TensorFiles[]): TensorFiles {
  if (sets.length === 1) return sets[0]!;
  const tensors = new Map<string, TensorInfo>();
  const owner = new Map<TensorInfo, TensorFiles>();
  for (const s of sets) {
    for (const [name, info] of s.tensors) {
      if (tensors.has(name)) continue;
      tensors.set(name, info);
      owner.set(info, s);
    }
  }
  const name = sets.map((s) => s.name).join(' + ');
  return {
    name,
    tensors,
    async readInto(info, target, from = 0) {
      const set = owner.get(info);
      if (!set) throw new FormatError('structure', `${name}: ${info.name} is of another checkpoint`);
      await set.readInto(info, target, from);
    },
    async close() {
      await Promise.all(sets.map((s) => s.close()));
    },
  };
}
