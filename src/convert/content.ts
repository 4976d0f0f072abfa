// What a GGUF file is to hold, before a byte of it is written: metadata, and for each tensor where it comes from and what becomes of it.

import type { GgufValue } from '../formats/ggufMetadata.ts';
import type { WriteValue } from '../formats/ggufWriter.ts';
import type { StorageType, TensorFiles, TensorInfo } from '../formats/tensors.ts';

export type Metadata = Map<string, WriteValue | GgufValue>;

/** One tensor of the file. */
export interface OutTensor {
  readonly name: string;
  /** Type in the file. */
  readonly type: StorageType;
  /** Row-major, PyTorch order. */
  readonly shape: readonly number[];
  readonly files: TensorFiles;
  /** Stacked along the rows. */
  readonly parts: readonly TensorInfo[];
  /** Heads whose rows change from split-half to interleaved order of rope: row 2k + s becomes what was row s * (dim / 2) + k. */
  readonly interleave?: number;
  /** f32 [row length], of stacked experts [experts, row length]: weight of each column's errors. */
  readonly importance?: Float32Array;
}

export interface GgufContent {
  readonly metadata: Metadata;
  readonly tensors: readonly OutTensor[];
}

/** Places of tensors in a file: the embedding, layers in order, what follows them, then tower and projector. */
const ORDER = ['token_embd', 'blk', 'model', 'transformer', 'output_norm', 'output', 'lm_head', 'rope_freqs', 'v', 'mm'];

/** Tensors in the order of the file, which depends on nothing but their names. */
export function inOrder(tensors: readonly OutTensor[]): OutTensor[] {
  const key = ({ name }: OutTensor): readonly [number, string] => {
    const rank = ORDER.indexOf(name.slice(0, name.indexOf('.')));
    return [rank < 0 ? ORDER.length : rank, name.replace(/\d+/g, (n) => n.padStart(6, '0'))];
  };
  return tensors
    .map((tensor) => ({ tensor, key: key(tensor) }))
    .sort((a, b) => a.key[0] - b.key[0] || (a.key[1] < b.key[1] ? -1 : a.key[1] > b.key[1] ? 1 : 0))
    .map(({ tensor }) => tensor);
}
