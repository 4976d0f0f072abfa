// The model that the package carries.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';

const EMBEDDED = new URL('../../../models/pebble.gguf', import.meta.url);

/** Path of the embedded model. Throws InputError where this copy has none. */
export function embedded(): string {
  if (existsSync(EMBEDDED)) return fileURLToPath(EMBEDDED);
  throw new InputError('there is no embedded model in this copy: give one with --model');
}
