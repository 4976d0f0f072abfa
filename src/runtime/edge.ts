// workerd (Cloudflare) and Vercel's edge runtime: kernels come compiled by import, one thread, no files.

import kernels from '../../wasm/kernels.relaxed.wasm?module';
import { InputError } from '../errors.ts';
import type { Platform } from './platform.ts';
import { webFile } from './webFiles.ts';

export const edgePlatform: Platform = {
  name: 'edge',
  // A probe is a module from bytes, which is forbidden here. Both runtimes have relaxed SIMD.
  build: 'relaxed',

  async compile(build, set) {
    if (set !== 'kernels' || build !== 'relaxed')
      throw new InputError(
        `kernels: the entry edge carries the relaxed build of what models run only: got ${set}, ${build}: import another one and give it as option wasm`,
      );
    return kernels;
  },

  spawn: () => null,
  threads: () => 0,
  open: (path) => webFile(path),
};
