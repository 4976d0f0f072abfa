// The package's entry for Node.

import { type LlavaLoader, loader, type Llava as Model } from '../api.ts';
import { nodePlatform } from '../runtime/node.ts';

export * from '../api.ts';

export type Llava = Model;
export const Llava: LlavaLoader = loader(nodePlatform);
