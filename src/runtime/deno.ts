// Deno: has Node's modules. The package must lie on disk (npm:, or a checkout).

import type { Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

export const denoPlatform: Platform = serverPlatform('deno', (build) => new URL(`../../wasm/kernels.${build}.wasm`, import.meta.url));
