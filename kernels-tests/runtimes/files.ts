// The files of the selection, for hosts that read files.

import { readFile } from 'node:fs/promises';
import { synthModel } from '../../src/models/synth.ts';
import { fixture } from '../fixtures.ts';

/** Bytes of a file of the selection: a fixture, or a model made for it. */
export async function selectionFile(name: string): Promise<Uint8Array> {
  const synthetic = /^overhead-(q4_0|q8_0)\.gguf$/.exec(name);
  if (name === 'pebble.gguf') return readFile(new URL('../../../models/pebble.gguf', import.meta.url));
  if (synthetic) return whole(synthModel('overhead', synthetic[1] as 'q4_0' | 'q8_0'));
  return readFile(fixture(FIXTURES[name as keyof typeof FIXTURES]));
}

const FIXTURES = {
  'llava15-tiny.gguf': 'models/gguf/llava15-tiny/model.gguf',
  'llava15-tiny.mmproj.gguf': 'models/gguf/llava15-tiny/mmproj.gguf',
  'picture.png': 'image/rgba.png',
  'picture.jpg': 'image/420.jpg',
} as const;

/** All of them, by name. */
export const SELECTION: readonly string[] = [...Object.keys(FIXTURES), 'overhead-q4_0.gguf', 'overhead-q8_0.gguf', 'pebble.gguf'];

function whole(file: ReturnType<typeof synthModel>): Uint8Array {
  const bytes = new Uint8Array(file.bytes);
  let at = 0;
  for (const piece of file.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
