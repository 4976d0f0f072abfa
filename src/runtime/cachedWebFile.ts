// A model by URL on Node, Deno and Bun.

import { urlName } from '../formats/http.ts';
import { cachedFile } from './nodeCache.ts';
import { fileSource } from './nodeFiles.ts';
import type { Download, Opened } from './platform.ts';

/** A file by URL, by way of the cache; the files beside it when they are asked for. */
export async function cachedWebFile(path: string, { offline, onDownload, signal }: Download): Promise<Opened> {
  const url = new URL(path);
  const open = async (at: URL) => {
    const name = decodeURIComponent(at.pathname.split('/').at(-1) ?? '');
    return {
      ...fileSource(
        await cachedFile(at, {
          ...(offline === undefined ? {} : { offline }),
          ...(signal === undefined ? {} : { signal }),
          ...(onDownload === undefined ? {} : { onProgress: (done, total) => onDownload(name, done, total) }),
        }),
      ),
      name: urlName(at),
    };
  };
  return {
    kind: 'file',
    source: await open(url),
    folder: {
      name: urlName(new URL('.', url)),
      list: async () => [],
      open: (file) => open(new URL(encodeURIComponent(file), url)),
      folder: async () => null,
    },
    file: decodeURIComponent(url.pathname.split('/').at(-1) ?? ''),
  };
}
