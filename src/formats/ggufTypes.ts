// Tensor type ids of GGUF files.

import { FormatError, UnsupportedError } from '../errors.ts';
import type { StorageType } from './tensors.ts';

const READ: ReadonlyMap<number, StorageType> = new Map([
  [0, 'f32'],
  [1, 'f16'],
  [2, 'q4_0'],
  [3, 'q4_1'],
  [6, 'q5_0'],
  [7, 'q5_1'],
  [8, 'q8_0'],
  [10, 'q2_k'],
  [11, 'q3_k'],
  [12, 'q4_k'],
  [13, 'q5_k'],
  [14, 'q6_k'],
  [15, 'q8_k'],
  [20, 'iq4_nl'],
  [23, 'iq4_xs'],
  [24, 'i8'],
  [25, 'i16'],
  [26, 'i32'],
  [27, 'i64'],
  [28, 'f64'],
  [30, 'bf16'],
]);

/** Types that the format knows and we do not read. */
const NAMED: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
  [40, 'NVFP4'],
  [41, 'Q1_0'],
  [42, 'Q2_0'],
]);

/** Types that were taken out of the format. */
const REMOVED: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [31, 'Q4_0_4_4'],
  [32, 'Q4_0_4_8'],
  [33, 'Q4_0_8_8'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
]);

/**
 * The storage type of an id.
 * @param where file and tensor, for the message
 * @throws UnsupportedError for known and removed types, by name; FormatError `bad_type` for ids that mean nothing
 */
export function storageType(id: number, where: string): StorageType {
  const type = READ.get(id);
  if (type !== undefined) return type;
  const named = NAMED.get(id);
  if (named !== undefined)
    throw new UnsupportedError(
      `${where}: tensors of type ${named} are not supported: use a file in Q4_0, Q4_K_M, Q8_0 or another type of these families`,
    );
  const removed = REMOVED.get(id);
  if (removed !== undefined)
    throw new UnsupportedError(`${where}: the type ${removed} was removed from the format: convert the model again`);
  throw new FormatError('bad_type', `${where}: unknown tensor type ${id}`);
}

const IDS: ReadonlyMap<StorageType, number> = new Map([...READ].map(([id, type]) => [type, id]));

/** The id of a storage type. Throws UnsupportedError for types that GGUF has no id for. */
export function typeId(type: StorageType): number {
  const id = IDS.get(type);
  if (id === undefined) throw new UnsupportedError(`GGUF has no tensors of type ${type}: convert them first`);
  return id;
}
