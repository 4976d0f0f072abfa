// The package's entry for workerd and Vercel's edge runtime.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(async () => (await import('../runtime/edge.ts')).edgePlatform);
