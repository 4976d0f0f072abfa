import { kvBytes } from './graph/kv.ts';
import type { Checkpoint, Model } from './models/model.ts';

/** Do weights and caches leave no room for arenas within 4 GiB? Then the tower gets a memory of its own. */
export function crowded({ files }: Checkpoint, { decoder }: Model): boolean {
  const weights = [...files.tensors.values()].reduce((n, t) => n + t.bytes, 0);
  const caches = decoder.caches.reduce((n, c) => n + kvBytes(c, decoder.options.context), 0);
  return weights + caches > 3.5 * 2 ** 30;
}
