// `pumice synth`: a random checkpoint of exact shapes.

import { open, rename } from 'node:fs/promises';
import type { StorageType } from '../formats/tensors.ts';
import { synthLanguage } from '../models/synth.ts';
import { progress } from './progress.ts';

export async function synth(shape: string, { output, type }: { output: string; type: StorageType }): Promise<void> {
  const file = synthLanguage(shape, type);
  const bars = progress();
  const partial = `${output}.partial`;
  const handle = await open(partial, 'w');
  let done = 0;
  try {
    for (const piece of file.pieces()) {
      await handle.write(piece);
      done += piece.length;
      bars.update('write', Math.round(done / 2 ** 20), Math.round(file.bytes / 2 ** 20), 'MiB');
    }
  } finally {
    await handle.close();
    bars.stop();
  }
  await rename(partial, output);
  process.stdout.write(`${output}: ${(file.bytes / 2 ** 30).toFixed(2)} GiB\n`);
}
