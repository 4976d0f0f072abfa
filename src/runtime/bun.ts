// Bun: has Node's modules; kernels are imported as files, so that `bun build --compile` puts them into the executable.

import { readFileSync } from 'node:fs';
import relaxed from '../../wasm/kernels.relaxed.wasm' with { type: 'file' };
import simd from '../../wasm/kernels.simd.wasm' with { type: 'file' };
import { InputError } from '../errors.ts';
import { bufferSource, type Folder } from '../formats/source.ts';
import type { Build, Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

const KERNELS: Readonly<Partial<Record<Build, string>>> = { simd, relaxed };
/** Where a compiled executable shows the files in it (POSIX, Windows). They can be read whole, but not opened. */
const EMBEDDED = /^(\/\$bunfs\/|B:[\\/]~BUN[\\/])/;

const files: Platform = serverPlatform(
  'bun',
  (build, set) => (set === 'kernels' && KERNELS[build]) || new URL(`../../wasm/${set}.${build}.wasm`, import.meta.url),
);

export const bunPlatform: Platform = {
  ...files,
  async open(path) {
    if (!EMBEDDED.test(path)) return files.open(path);
    const file = path.split(/[\\/]/).at(-1)!;
    return { kind: 'file', source: bufferSource(readFileSync(path), path), folder: alone(path), file };
  },
};

/** The folder of an embedded file: nothing else is known of it. */
function alone(path: string): Folder {
  const open = async (file: string) => {
    throw new InputError(`${path}: cannot open ${file} beside it: a file in an executable stands alone`);
  };
  return { name: path, list: async () => [], open, folder: async () => null };
}
