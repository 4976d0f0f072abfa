// Every model family, most particular first. A new model is its file and one line here.

import { UnsupportedError } from '../errors.ts';
import { dynamicLlava } from './dynamicLlava.ts';
import { llava15 } from './llava15.ts';
import { llava16 } from './llava16.ts';
import type { Checkpoint, Model, ModelDefinition, ModelOptions } from './model.ts';
import { moe } from './moe.ts';
import { mqt } from './mqt.ts';
import { isTowerPruning } from './pruning.ts';
import { shareCaptioner } from './shareCaptioner.ts';
import { uhd } from './uhd.ts';

const FAMILIES: readonly ModelDefinition[] = [shareCaptioner, moe, dynamicLlava, mqt, uhd, llava16, llava15];

/** Opens a checkpoint with the first family that knows it. */
export function openModel(checkpoint: Checkpoint, options: ModelOptions = {}): Model {
  const family = FAMILIES.find((f) => f.matches(checkpoint)) ?? llava15;
  const model = family.open(checkpoint, options);
  if (isTowerPruning(options.prune) && model.needsAllRows !== undefined)
    throw new UnsupportedError(`prune: ${options.prune.method}: does not meet ${model.name}: ${model.needsAllRows}; fastv does`);
  return model;
}
