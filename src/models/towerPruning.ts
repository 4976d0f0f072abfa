// Methods that drop or merge rows in the tower, by name: each gives the features that the projector receives.

import { UnsupportedError } from '../errors.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import { selectedStates, type TowerVariant } from './llava15.ts';
import type { Checkpoint } from './model.ts';
import { prumerge } from './prumerge.ts';
import type { TowerPruning } from './pruning.ts';
import { TOME_SIZES, tome } from './tome.ts';
import { towerOf } from './towers.ts';
import { visionzip } from './visionzip.ts';

/** A tower with fewer rows. Throws UnsupportedError where the method does not meet the tower. */
export function towerPruning(prune: TowerPruning, { config, vision }: Checkpoint): TowerVariant {
  const sizes = vision?.config ?? config;
  const tower = towerOf(sizes);
  if (!tower.classRow)
    throw new UnsupportedError(
      `prune: ${prune.method}: needs a tower with a class row: got ${sizes.string('model_type', '')}, expected CLIP or timm's ViT`,
    );
  const selected = selectedStates(config, tower);
  if (selected.length > 1)
    throw new UnsupportedError(`prune: ${prune.method}: needs one feature layer: got hidden states ${selected.join(', ')}`);
  const depth = selected[0]!;
  return {
    name: `tower ${prune.method}`,
    inputs: prune.method === 'tome' ? { [TOME_SIZES]: new Float32Array(1 + Math.floor(tower.imageSize / tower.patch) ** 2).fill(1) } : {},
    ...(prune.method !== 'tome' && {
      kept: (engine: Engine, program: Program) =>
        prune.method === 'visionzip'
          ? engine
              .readInts(program, 'dominant rows')
              .subarray(1)
              .map((row) => row - 1)
          : engine.readInts(program, 'select_index'),
    }),
    features(g, w, pixels) {
      switch (prune.method) {
        case 'visionzip':
          return visionzip(g, w, tower, pixels, depth, prune);
        case 'tome':
          return tome(g, w, tower, pixels, depth, prune);
        default:
          return prumerge(g, w, tower, pixels, depth, { ...prune, plus: prune.method === 'prumerge-plus' });
      }
    },
  };
}
