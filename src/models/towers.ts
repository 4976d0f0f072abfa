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
  readonly heads: number;
  /** A class row stands before the patches. */
  readonly classRow: boolean;
  /**
   * Hidden states 0 (what enters the first block) to `depth`, each f32 [rows, hidden]: class row first where the family has one, then the
   * patches row by row. `w` stands at the tower's tensors, `pixels` are f32 [3 * height, width] of the view, or square of the tower's own size.
   */
  hiddenStates(g: Graph, w: Weights, pixels: Tensor, depth: number, how?: TowerView): readonly Tensor[];
  /** The class row's query, f32 [1, hidden], and all rows' keys, f32 [rows, hidden], of layer `i`, which `x` enters; undefined where the file has no such layer. */
  classAttention(g: Graph, w: Weights, i: number, x: Tensor): { readonly q: Tensor; readonly k: Tensor } | undefined;
}

/** Other pixels than the tower's own square, and a method that looks at the layers. */
export interface TowerView {
  readonly view?: ClipView | undefined;
  readonly hooks?: TowerHooks | undefined;
}

/** How a method that drops or merges rows sees and changes the layers. */
export interface TowerHooks {
  /** Sees q, k and v of layer `i`, f32 [rows, hidden], maybe windows; may give the attention's result of the same shape. */
  attend?(g: Graph, i: number, q: Tensor, k: Tensor, v: Tensor): Tensor | undefined;
  /** Between attention and MLP of layer `i`: returns the rows that go on. */
  beforeMlp?(g: Graph, i: number, x: Tensor): Tensor;
}

const FAMILIES: readonly (readonly [name: RegExp, open: (c: Config) => VisionTower])[] = [
  [/^siglip/, siglipTower],
  [/^timm_vit$/, timmTower],
  [/^/, clipTower],
];

/** The tower that a config describes; CLIP unless `model_type` says otherwise. */
export const towerOf = (config: Config): VisionTower => FAMILIES.find(([name]) => name.test(config.string('model_type', '')))![1](config);
