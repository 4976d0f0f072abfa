// Models with random weights, in memory or as files.

import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { synthModel } from '../../build/src/models/synth.js';

/** The bytes of a Q4_0 model. */
export function synthBytes(shape) {
  const file = synthModel(shape, 'q4_0');
  const bytes = new Uint8Array(file.bytes);
  let at = 0;
  for (const piece of file.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Writes a Q4_0 model unless it is there. */
export async function synthFile(shape, path) {
  const model = synthModel(shape, 'q4_0');
  if ((await stat(path).catch(() => null))?.size === model.bytes) return;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  for (const piece of model.pieces()) await file.write(piece);
  await file.close();
}
