// Whatever a caller has in hand, as a source of bytes: a path, a URL, a Blob or File, bytes, or a source already.

import { InputError } from '../errors.ts';
import { blobSource } from './blobSource.ts';
import { type ByteSource, bufferSource } from './source.ts';

export type SourceInput = string | URL | Blob | Uint8Array | ArrayBuffer | ByteSource;

/** What depends on the runtime. */
export interface SourcePlatform {
  /** Opens a local file by its path, or by a file: URL; absent where there are none. */
  file?(path: string | URL): ByteSource | Promise<ByteSource>;
  /** Opens an http or https URL, say through a cache on disk; by default it is read by range requests. */
  url?(url: URL): Promise<ByteSource>;
}

/**
 * Opens an input. A string with a scheme of two letters and more is a URL (one letter is a Windows drive), any other one a path.
 * The caller closes the result; of a ByteSource that is the source itself.
 * @throws InputError for what cannot be opened, here or at all; what httpSource or the platform throws
 */
export async function openSource(input: SourceInput, platform: SourcePlatform = {}): Promise<ByteSource> {
  if (input instanceof Uint8Array) return bufferSource(input);
  if (input instanceof ArrayBuffer) return bufferSource(new Uint8Array(input));
  if (input instanceof Blob) return blobSource(input);
  if (typeof input === 'string') {
    if (input === '') throw new InputError('got an empty text: a path or a URL is expected');
    return /^[a-z][a-z0-9+.-]+:/i.test(input) && URL.canParse(input) ? openUrl(new URL(input), platform) : openFile(input, platform);
  }
  if (input instanceof URL) return openUrl(input, platform);
  if (isSource(input)) return input;
  throw new InputError(`got ${input === null ? 'null' : typeof input}: a path, URL, Blob, buffer or source is expected`);
}

async function openUrl(url: URL, platform: SourcePlatform): Promise<ByteSource> {
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return platform.url?.(url) ?? (await import('./httpSource.ts')).httpSource(url);
    case 'file:':
      return openFile(url, platform);
    case 'blob:':
    case 'data:':
      // In memory already, and fetch gives both back whole.
      try {
        return blobSource(await (await fetch(url)).blob(), url.protocol);
      } catch (error) {
        throw new InputError(`${url.protocol} URL: cannot be read`, { cause: error });
      }
    default:
      throw new InputError(`${url.protocol}//${url.host}: cannot be opened: http:, https:, file:, blob: or data: is expected`);
  }
}

async function openFile(path: string | URL, platform: SourcePlatform): Promise<ByteSource> {
  if (platform.file === undefined)
    throw new InputError(
      `${String(path)}: there are no local files here: give a URL, a File or the bytes (a relative URL: new URL(path, base))`,
    );
  return platform.file(path);
}

function isSource(input: unknown): input is ByteSource {
  return typeof input === 'object' && input !== null && 'readInto' in input && typeof input.readInto === 'function';
}
