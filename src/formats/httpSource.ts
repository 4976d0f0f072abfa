// A file on an HTTP server, read by range. Small reads come out of blocks that are kept, since headers are read in many small steps.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { type HttpFile, type HttpOptions, httpFile, noRanges } from './http.ts';
import { type ByteSource, bufferSource } from './source.ts';

/** Reads of up to this size go through blocks of it. */
const BLOCK = 128 * 1024;
const KEPT_BLOCKS = 16;
/** A file of at most this size is taken whole from a server that sends no ranges. */
const MAX_WHOLE = 64 * 1024 * 1024;

/**
 * Opens a URL. One request is made, which also brings the first block. Closing ends what is being read.
 * @throws InputError (no such file, no access, not reachable after all attempts), FormatError `format` (a web page instead of a file),
 *   UnsupportedError (a large file on a server that sends no ranges); later reads also FormatError `changed` and `truncated`
 */
export async function httpSource(address: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  const closed = new AbortController();
  const signal = options.signal === undefined ? closed.signal : AbortSignal.any([options.signal, closed.signal]);
  const file = httpFile(address, { ...options, signal });
  const first = await head(file);
  if (!file.hasRanges()) return bufferSource(first, file.name);
  const size = file.identity()?.size ?? null;
  if (size === null)
    throw new UnsupportedError(`${file.name}: the server does not say how large the file is: download it and open it from disk`);

  /** Blocks in the order of their last use. */
  const blocks = new Map<number, Promise<Uint8Array>>([[0, Promise.resolve(first)]]);
  const fill = async (target: Uint8Array, from: number): Promise<void> => {
    let done = 0;
    for await (const { at, bytes } of file.read(from, from + target.length)) {
      target.set(bytes, at - from);
      done = at - from + bytes.length;
    }
    if (done < target.length) throw new FormatError('truncated', `${file.name}: ends at byte ${from + done}: ${size} were announced`);
  };
  const block = (index: number): Promise<Uint8Array> => {
    let found = blocks.get(index);
    if (found === undefined) {
      const bytes = new Uint8Array(Math.min(BLOCK, size - index * BLOCK));
      found = fill(bytes, index * BLOCK).then(() => bytes);
      found.catch(() => blocks.delete(index));
    }
    blocks.delete(index);
    blocks.set(index, found);
    const oldest = blocks.keys().next().value;
    if (blocks.size > KEPT_BLOCKS && oldest !== undefined) blocks.delete(oldest);
    return found;
  };
  return {
    name: file.name,
    size,
    async readInto(target, position) {
      if (closed.signal.aborted) throw new InputError(`${file.name}: cannot be read: it is closed`);
      if (position + target.byteLength > size)
        throw new FormatError('truncated', `${file.name}: ends at byte ${size}: wanted ${target.byteLength} bytes at ${position}`);
      if (target.byteLength > BLOCK) return fill(target, position);
      for (let done = 0; done < target.byteLength; ) {
        const index = Math.floor((position + done) / BLOCK);
        const from = position + done - index * BLOCK;
        const part = (await block(index)).subarray(from, from + target.byteLength - done);
        target.set(part, done);
        done += part.length;
      }
    },
    async close() {
      blocks.clear();
      closed.abort(new InputError(`${file.name}: was closed while it was read`));
    },
  };
}

/** The first block; of a server without ranges the whole file, while it is small. */
async function head(file: HttpFile): Promise<Uint8Array> {
  const parts = await collect(file, BLOCK);
  return file.hasRanges() ? parts : collect(file, null);
}

async function collect(file: HttpFile, to: number | null): Promise<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const { at, bytes } of file.read(0, to, true)) {
    if (!file.hasRanges()) {
      if (to !== null) return new Uint8Array(0);
      if (Math.max(file.identity()?.size ?? 0, length) > MAX_WHOLE) throw noRanges(file.name);
    }
    // Begun again.
    if (at === 0) [parts, length] = [[], 0];
    parts.push(bytes);
    length += bytes.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
