// Deno, with sources as jsr serves them: modules lie at https addresses, so the kernels come as a module and no file is read.

import { InputError } from '../errors.ts';
import type { Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

/** Threads of `node:worker_threads` start from files and from text; text may import an address. */
const workerAt = (url: URL): URL => (url.protocol === 'file:' ? url : new URL(`data:text/javascript,import ${JSON.stringify(url.href)}`));

const files: Platform = serverPlatform('jsr', async (build, set) => {
  if (set !== 'kernels')
    throw new InputError(`kernels: the package on jsr carries what models run only: got ${set}: take the package on npm`);
  return (await import('../inline.js')).kernels(build);
});

export const jsrPlatform: Platform = {
  ...files,
  spawn: (url = workerAt(new URL('./worker.ts', import.meta.url))) => files.spawn(url),
};
