// Models by URL, for runtimes without a file system.

import { InputError } from '../errors.ts';
import { httpSource } from '../formats/httpSource.ts';
import { type ByteSource, bufferSource, type Folder } from '../formats/source.ts';
import type { Opened } from './platform.ts';

/**
 * Opens a URL, relative to `base` where there is one. HTTP lists no folders: files only.
 * @throws InputError where it is no URL; what httpSource throws
 */
export async function webFile(path: string, base?: string): Promise<Extract<Opened, { kind: 'file' }>> {
  if (!URL.canParse(path, base)) throw new InputError(`${path}: there are no local files here: give an absolute URL, or the bytes`);
  const url = new URL(path, base);
  const source = await sourceOf(url);
  const folder: Folder = {
    name: new URL('.', url).href,
    list: async () => [],
    open: (file) => sourceOf(new URL(file, url)),
    folder: async () => null,
  };
  return { kind: 'file', source, folder, file: decodeURIComponent(url.pathname.split('/').at(-1) ?? '') };
}

/** blob: and data: URLs are in memory already. */
const sourceOf = async (url: URL): Promise<ByteSource> =>
  /^https?:$/.test(url.protocol) ? httpSource(url) : bufferSource(new Uint8Array(await (await fetch(url)).arrayBuffer()), url.protocol);
