// Node.

import type { Platform } from './platform.ts';
import { serverPlatform } from './serverPlatform.ts';

export const nodePlatform: Platform = serverPlatform('node', (build, set) => new URL(`../../wasm/${set}.${build}.wasm`, import.meta.url));
