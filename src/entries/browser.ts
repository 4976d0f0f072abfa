// The package's entry for Browsers, and whatever else has fetch and web workers.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';
import { browserPlatform } from '../runtime/browser.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(browserPlatform);
