// Deno: has Node's modules. The package must lie on disk (npm:, or a checkout).

import type { Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

export const denoPlatform: Platform = serverPlatform('deno', (build, set) => new URL(`../../wasm/${set}.${build}.wasm`, import.meta.url));
