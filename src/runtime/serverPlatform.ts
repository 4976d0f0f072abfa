// What Node, Deno and Bun have in common: kernels from files, threads by node:worker_threads, models from local files.

import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { execArgv } from 'node:process';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors.ts';
import { hubName } from './hubNames.ts';
import { fileSource, folderAndFile, localFolder, localPath, readLocalFile } from './nodeFiles.ts';
import type { Build, KernelSet, Platform } from './platform.ts';

/** A platform over Node's modules. `kernels` says where a build of a set lies (a path or file URL), or gives its bytes. */
export function serverPlatform(name: string, kernels: (build: Build, set: KernelSet) => string | URL | Promise<BufferSource>): Platform {
  const platform: Platform = {
    name,

    async compile(build, set) {
      const place = kernels(build, set);
      try {
        return await WebAssembly.compile(place instanceof Promise ? await place : await readFile(place));
      } catch (e) {
        throw new InputError(
          `kernels: cannot be loaded from ${place instanceof Promise ? 'the module of them' : place} (entry ${name}): ${(e as Error).message}: run \`npm run build\` in a checkout, or give the option wasm`,
          { cause: e },
        );
      }
    },

    spawn(url) {
      // What tells Node how to read a script on the command line makes it refuse a worker's file.
      const options = execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {};
      const worker = url === undefined ? new Worker(new URL('./worker.js', import.meta.url), options) : new Worker(url, options);
      return {
        post: (m) => worker.postMessage(m),
        onMessage: (f) => void worker.on('message', f),
        onError: (f) => void worker.on('error', f),
        hold: (held) => (held ? worker.ref() : worker.unref()),
        terminate: async () => void (await worker.terminate()),
      };
    },

    threads: () => availableParallelism(),

    async openHub(folder, options) {
      const [{ openHubFolder }, { addProduct }] = await Promise.all([import('../models/hubLayout.ts'), import('./products.ts')]);
      return openHubFolder(folder, { ...options, addProduct: addProduct(platform) });
    },

    readFile: (path) => readLocalFile(localPath(path)),

    async open(name, download = {}) {
      const path = localPath(name);
      if (/^https?:\/\//i.test(path)) return (await import('./cachedWebFile.ts')).cachedWebFile(path, download);
      const hub = statSync(path, { throwIfNoEntry: false }) === undefined ? hubName(path) : null;
      if (hub !== null) return (await import('./hubCache.ts')).openHub(hub, download);
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return { kind: 'folder', folder: localFolder(path) };
      // The source first: its errors name the path.
      return { kind: 'file', source: fileSource(path), ...folderAndFile(path) };
    },
  };
  return platform;
}
