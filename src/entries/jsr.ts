// The package's entry on jsr, which has no conditions: for Deno.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(async () => (await import('../runtime/jsr.ts')).jsrPlatform);
