// Which checkpoint is this? Reading gigabytes to say so would take longer than loading them.

import { sha256 } from '../digest.ts';
import type { Checkpoint } from './model.ts';

/** Tensors that are looked into, and bytes of each. */
const TENSORS = 16;
const BYTES = 4096;

/** Digest of a checkpoint: config, names, types and shapes of all tensors, and the first bytes of some that lie evenly in the list. */
export async function checkpointDigest({ config, files }: Checkpoint): Promise<string> {
  const tensors = [...files.tensors.values()];
  const table = JSON.stringify([config.values, tensors.map(({ name, type, shape }) => [name, type, shape])]);
  const parts = [await sha256(new TextEncoder().encode(table))];
  for (let i = 0; i < Math.min(TENSORS, tensors.length); i++) {
    const t = tensors[Math.floor((i * tensors.length) / Math.min(TENSORS, tensors.length))]!;
    const bytes = new Uint8Array(Math.min(BYTES, t.bytes));
    await files.readInto(t, bytes);
    parts.push(await sha256(bytes));
  }
  return sha256(new TextEncoder().encode(parts.join()));
}
