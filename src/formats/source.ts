// Random access to bytes: a file, a Blob, an HTTP resource or a buffer, read by range.

import { FormatError } from '../errors.ts';

/** Something with `size` bytes that can be read by range. Implementations are per platform; formats know only this. */
export interface ByteSource {
  /** For messages: a path or URL. */
  readonly name: string;
  readonly size: number;
  /** Fills `target` with the bytes from `position` on; throws FormatError `truncated` when the source ends before. `target` may be a view of shared memory. */
  readInto(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** A source over bytes already in memory. */
export function bufferSource(bytes: Uint8Array, name = 'buffer'): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    async readInto(target, position) {
      if (position + target.byteLength > bytes.byteLength) {
        throw new FormatError('truncated', `${name}: ends at byte ${bytes.byteLength}: wanted ${target.byteLength} bytes at ${position}`);
      }
      target.set(bytes.subarray(position, position + target.byteLength));
    },
    async close() {},
  };
}

/** A folder of sources: local directory, in-memory map, or hub repository. */
export interface Folder {
  readonly name: string;
  /** Plain file names in the folder (no recursion). */
  list(): Promise<readonly string[]>;
  /** Opens one file by its plain name; a missing file throws InputError. */
  open(file: string): Promise<ByteSource>;
  /** A sub-folder or sibling, `null` where there is none. */
  folder(path: string): Promise<Folder | null>;
  /** Another repository of the same hub (`org/name`), brought where it is missing; absent where there is no hub. */
  repository?(name: string): Promise<Folder>;
}
