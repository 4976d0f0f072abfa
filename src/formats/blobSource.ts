// A Blob or a File that the user chose in a browser: read by slices, nothing is copied ahead.

import { FormatError, InputError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** Each slice is copied once more on its way: small ones keep that out of the peak. */
const PIECE = 8 * 1024 * 1024;

/** A source over a Blob. `name`: for messages; a File's own name by default. */
export function blobSource(blob: Blob, name: string = fileName(blob)): ByteSource {
  return {
    name,
    size: blob.size,
    async readInto(target, position) {
      if (position + target.byteLength > blob.size)
        throw new FormatError('truncated', `${name}: ends at byte ${blob.size}: wanted ${target.byteLength} bytes at ${position}`);
      for (let done = 0; done < target.byteLength; done += PIECE) {
        const end = Math.min(done + PIECE, target.byteLength);
        let bytes: ArrayBuffer;
        try {
          bytes = await blob.slice(position + done, position + end).arrayBuffer();
        } catch (error) {
          // Browsers refuse a file that has changed on disk since it was chosen.
          throw new InputError(`${name}: cannot be read any more: choose the file again`, { cause: error });
        }
        target.set(new Uint8Array(bytes), done);
      }
    },
    async close() {},
  };
}

const fileName = (blob: Blob): string => ('name' in blob && typeof blob.name === 'string' ? blob.name : 'blob');
