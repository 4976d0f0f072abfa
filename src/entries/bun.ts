// The package's entry for Bun.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';
import { bunPlatform } from '../runtime/bun.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(bunPlatform);
