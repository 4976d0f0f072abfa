// Every vision tower family. A new one is its file and one line here; the config's `model_type` decides.

import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { type ClipView, clipTower } from './clip.ts';
import type { Config } from './config.ts';
import { siglipTower } from './siglip.ts';
import { timmTower } from './timmVit.ts';

/** A tower's sizes and arithmetic: blocks of one width over patches of a square picture. */
export interface VisionTower {
  readonly hidden: number;
  readonly layers: number;
  /** Pixels of a side. */
  readonly imageSize: number;
  /** Pixels of a patch's side. */
  readonly patch: number;
  /**
   * Hidden states 0 (what enters the first block) to `depth`, each f32 [rows, hidden]: class row first where the family has one, then the
   * patches row by row. `w` stands at the tower's tensors, `pixels` are f32 [3 * height, width] of the view, or square of the tower's own size.
   */
  hiddenStates(g: Graph, w: Weights, pixels: Tensor, depth: number, view?: ClipView): readonly Tensor[];
}

const FAMILIES: readonly (readonly [name: RegExp, open: (c: Config) => VisionTower])[] = [
  [/^siglip/, siglipTower],
  [/^timm_vit$/, timmTower],
  [/^/, clipTower],
];

/** The tower that a config describes; CLIP unless `model_type` says otherwise. */
export const towerOf = (config: Config): VisionTower => FAMILIES.find(([name]) => name.test(config.string('model_type', '')))![1](config);
