// `pumice synth`: a random checkpoint of exact shapes.

import type { StorageType } from '../formats/tensors.ts';
import { synthModel } from '../models/synth.ts';
import { writeWhole } from './writeFile.ts';

export async function synth(
  shape: string,
  { output, type, towerType }: { output: string; type: StorageType; towerType: StorageType },
): Promise<void> {
  const file = synthModel(shape, type, towerType);
  await writeWhole({ path: output, bytes: file.bytes, pieces: () => file.pieces() }, 'write');
  process.stdout.write(`${output}: ${(file.bytes / 2 ** 30).toFixed(2)} GiB\n`);
}
