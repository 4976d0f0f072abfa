// The models that this repository carries, by name.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';

const MODELS = new URL('../../../models/', import.meta.url);
const NAMES: readonly string[] = ['pebble', 'pebble-mqt'];

/** Path of the pictures and questions that go with the models. */
export const embeddedSet = (): string => fileURLToPath(new URL('eval', MODELS));

/** Path of the model that a command line names: one of ours by name, pebble for none, else the path itself. Throws InputError where this copy lacks it. */
export function embedded(model: string = 'pebble'): string {
  if (!NAMES.includes(model)) return model;
  const file = new URL(`${model}.gguf`, MODELS);
  if (existsSync(file)) return fileURLToPath(file);
  throw new InputError(
    `model: not in this copy: got ${model}, a file or directory is expected (pebble-mqt comes with the repository only)`,
  );
}
