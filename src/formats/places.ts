// Tensors that lie as one contiguous byte range each in one or several sources: what GGUF, safetensors and most of .bin come down to.

import { FormatError, InputError } from '../errors.ts';
import type { ByteSource } from './source.ts';
import { BLOCKS, type StorageType, type TensorFiles, type TensorInfo } from './tensors.ts';

/** Where the bytes of a tensor are: `position` counts from the start of `source`. */
export interface TensorPlace {
  readonly info: TensorInfo;
  readonly source: ByteSource;
  readonly position: number;
}

/**
 * The tensor set over places. `close()` closes every source of `sources`.
 * Reading an unknown tensor or beyond its end throws InputError.
 */
export function tensorsAt(name: string, places: ReadonlyMap<string, TensorPlace>, sources: readonly ByteSource[]): TensorFiles {
  const tensors = new Map<string, TensorInfo>();
  for (const [key, place] of places) tensors.set(key, place.info);
  return {
    name,
    tensors,
    async readInto(tensor, target, from = 0) {
      const place = places.get(tensor.name);
      if (place === undefined) throw new InputError(`${name}: there is no tensor ${tensor.name}`);
      if (!(from >= 0 && from + target.byteLength <= place.info.bytes)) {
        throw new InputError(`${name}: ${tensor.name} has ${place.info.bytes} bytes: wanted ${target.byteLength} bytes from ${from} on`);
      }
      if (target.byteLength > 0) await place.source.readInto(target, place.position + from);
    },
    async close() {
      await closeAll(sources);
    },
  };
}

/** Closes every source, also when one fails; the first failure is thrown at the end. */
export async function closeAll(sources: readonly { close(): Promise<void> }[]): Promise<void> {
  const results = await Promise.allSettled(sources.map((source) => source.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * Bytes of a tensor of `shape` (row-major, last axis contiguous) as stored.
 * @throws FormatError `code` for an axis that is no integer in 0..2^53-1, a product above 2^53-1, or a row that is not a whole number of blocks
 */
export function storedBytes(where: string, type: StorageType, shape: readonly number[], code: string): number {
  const block = BLOCKS[type];
  let count = 1;
  for (const axis of shape) {
    if (!Number.isSafeInteger(axis) || axis < 0)
      throw new FormatError(code, `${where}: shape [${shape.join(', ')}]: got an axis of ${axis}, whole numbers from 0 on are expected`);
    // A zero elsewhere must not hide an overflow.
    count = Math.max(count, 1) * axis;
    if (!Number.isSafeInteger(count)) throw new FormatError(code, `${where}: shape [${shape.join(', ')}] has more than 2^53 values`);
  }
  if (shape.includes(0)) return 0;
  const row = shape.at(-1) ?? 1;
  if (row % block.values !== 0)
    throw new FormatError(code, `${where}: rows of ${row} values in ${type}: a multiple of ${block.values} is expected`);
  const bytes = (count / block.values) * block.bytes;
  if (!Number.isSafeInteger(bytes)) throw new FormatError(code, `${where}: shape [${shape.join(', ')}] has more than 2^53 bytes`);
  return bytes;
}

/** Throws FormatError `code` where two byte ranges of one source overlap. Empty tensors lie nowhere. */
export function checkOverlaps(where: string, places: Iterable<TensorPlace>, code: string): void {
  const sorted = [...places].filter((place) => place.info.bytes > 0).sort((a, b) => a.position - b.position);
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1]!;
    const after = sorted[i]!;
    if (before.position + before.info.bytes > after.position) {
      throw new FormatError(code, `${where}: the tensors ${before.info.name} and ${after.info.name} overlap at byte ${after.position}`);
    }
  }
}
