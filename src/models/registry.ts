// Every model family, most particular first. A new model is its file and one line here.

import { llava15 } from './llava15.ts';
import { llava16 } from './llava16.ts';
import type { Checkpoint, Model, ModelDefinition, ModelOptions } from './model.ts';
import { mqt } from './mqt.ts';
import { uhd } from './uhd.ts';

const FAMILIES: readonly ModelDefinition[] = [mqt, uhd, llava16, llava15];

/** Opens a checkpoint with the first family that knows it. */
export function openModel(checkpoint: Checkpoint, options: ModelOptions = {}): Model {
  const family = FAMILIES.find((f) => f.matches(checkpoint)) ?? llava15;
  return family.open(checkpoint, options);
}
