// Node: kernels from files beside this one, threads by worker_threads.

import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors.ts';
import { fileSource, folderAndFile, localFolder } from './nodeFiles.ts';
import type { Platform } from './platform.ts';

export const nodePlatform: Platform = {
  name: 'node',

  async compile(build) {
    const url = new URL(`../../wasm/kernels.${build}.wasm`, import.meta.url);
    try {
      return await WebAssembly.compile(await readFile(url));
    } catch (e) {
      throw new InputError(`kernels: cannot load ${url.href}: run \`npm run build\``, { cause: e });
    }
  },

  spawn() {
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    return {
      post: (m) => worker.postMessage(m),
      onMessage: (f) => void worker.on('message', f),
      onError: (f) => void worker.on('error', f),
      hold: (held) => (held ? worker.ref() : worker.unref()),
      terminate: async () => void (await worker.terminate()),
    };
  },

  threads: () => availableParallelism(),

  readFile: (path) => readFile(path),

  async open(path) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return { kind: 'folder', folder: localFolder(path) };
    // The source first: its errors name the path.
    return { kind: 'file', source: fileSource(path), ...folderAndFile(path) };
  },
};
