// Writing a large file: under another name until it is whole.

import { open, rename, rm } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { progress } from './progress.ts';

const MIB = 2 ** 20;

export interface FileToWrite {
  readonly path: string;
  /** Bytes of the whole file, for the bar. */
  readonly bytes: number;
  pieces(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Writes pieces to `<path>.partial` and renames it when all are there: under `path` never stands half a file.
 * @throws InputError where the file cannot be written; the signal's reason when it aborts, after removing what was written
 */
export async function writeWhole({ path, bytes, pieces }: FileToWrite, label: string, signal?: AbortSignal): Promise<void> {
  const partial = `${path}.partial`;
  const bars = progress();
  try {
    const handle = await open(partial, 'w');
    try {
      let done = 0;
      for await (const piece of pieces()) {
        signal?.throwIfAborted();
        for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at)).bytesWritten;
        done += piece.length;
        bars.update(label, Math.round(done / MIB), Math.round(bytes / MIB), 'MiB');
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code !== undefined && syscall !== undefined) throw new InputError(`${path}: cannot be written (${code})`, { cause: error });
    throw error;
  } finally {
    bars.stop();
  }
}
