// Node.

import type { Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

export const nodePlatform: Platform = serverPlatform('node', (build) => new URL(`../../wasm/kernels.${build}.wasm`, import.meta.url));
