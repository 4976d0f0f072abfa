// The package's entry for Deno.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(async () => (await import('../runtime/deno.ts')).denoPlatform);
