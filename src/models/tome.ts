// ToMe (Bolya et al. 2022) in a tower with a class row: between attention and MLP of each layer the r rows most like another flow into it. A row knows
// how many it stands for, and as a key counts for as many: ln(size) is added to its scores. The class row stays, and stays first.

import { InputError } from '../errors.ts';
import { type Graph, reshape, rows } from '../graph/graph.ts';
import { add } from '../graph/ops/add.ts';
import { headScores } from '../graph/ops/headScores.ts';
import { meanHeads } from '../graph/ops/meanHeads.ts';
import { mixHeads } from '../graph/ops/mixHeads.ts';
import { nearestRow } from '../graph/ops/nearestRow.ts';
import { softmax } from '../graph/ops/softmax.ts';
import { type TomeMergeParams, tomeMerge } from '../graph/ops/tomeMerge.ts';
import { maxOf, rowsOf, type Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { TowerHooks, VisionTower } from './towers.ts';

export interface Merged {
  readonly x: Tensor;
  readonly sizes: Tensor;
  /** f32 [1, rows]. */
  readonly bias: Tensor;
  readonly order: Tensor;
}

/** Merges r of x's rows, at most half of those that may: x f32 [n, cols], metric f32 [n, width], sizes f32 [n, 1]. */
export function mergeRows(
  g: Graph,
  x: Tensor,
  metric: Tensor,
  sizes: Tensor,
  { r, ordered, factor = 1 }: TomeMergeParams,
): Merged | undefined {
  const n = maxOf(rowsOf(x.shape));
  const alone = ordered ? 1 : 0;
  const count = Math.min(r, (n - alone) >> 1);
  if (count <= 0) return undefined;
  const near = g.addAll(nearestRow, [metric], { first: 1, step: 2, count: n >> 1, alone });
  const [y, s, bias, order] = g.addAll(tomeMerge, [x, sizes, ...near], { r: count, ordered, factor }) as [Tensor, Tensor, Tensor, Tensor];
  return { x: y, sizes: s, bias, order };
}

export const TOME_SIZES = 'sizes of rows';

/** The hidden state `depth` without the class row; `w` stands at the tower. The input `TOME_SIZES` wants a 1 for each row. */
export function tome(g: Graph, w: Weights, tower: VisionTower, pixels: Tensor, depth: number, { r = 8 }: { readonly r?: number }): Tensor {
  if (!Number.isInteger(r) || r < 1) throw new InputError(`prune: tome: r must be a positive number of rows: got ${r}`);
  const { heads } = tower;
  const dim = tower.hidden / heads;
  let sizes = g.input(TOME_SIZES, 'f32', [1 + Math.floor(tower.imageSize / tower.patch) ** 2, 1]);
  let metric: Tensor | undefined;
  let bias: Tensor | undefined;
  const hooks: TowerHooks = {
    attend(_, __, q, k, v) {
      const n = maxOf(rowsOf(k.shape));
      metric = g.add(meanHeads, [k], { heads });
      if (!bias) return undefined;
      const params = { heads, keys: n, step: 0 };
      const scores = g.add(add, [reshape(g.add(headScores, [q, k], params), [n * heads, n]), bias], {});
      const weights = reshape(g.add(softmax, [scores], { scale: dim ** -0.5 }), [n, heads * n]);
      return g.add(mixHeads, [weights, v], params);
    },
    beforeMlp(_, __, x) {
      const merged = mergeRows(g, x, metric!, sizes, { r, ordered: true, factor: dim ** 0.5 });
      if (!merged) return x;
      ({ sizes, bias } = merged);
      return merged.x;
    },
  };
  const h = tower.hiddenStates(g, w, pixels, depth, { hooks }).at(-1)!;
  return rows(h, 1, maxOf(rowsOf(h.shape)) - 1);
}
