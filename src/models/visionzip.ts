// VisionZip (Yang et al. 2024): of the tower's selected hidden state the rows that the class row attends to most stay as they are ("dominant",
// the class row among them), and the others flow into a few clusters around evenly spaced rows ("contextual"). Blind to the question.

import { InputError } from '../errors.ts';
import { type Graph, reshape, rows } from '../graph/graph.ts';
import { kvCache } from '../graph/kv.ts';
import { attentionRow } from '../graph/ops/attentionRow.ts';
import { clusterRows } from '../graph/ops/clusterRows.ts';
import { concatRows } from '../graph/ops/concatRows.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import { kvWrite } from '../graph/ops/kvWrite.ts';
import { meanHeads } from '../graph/ops/meanHeads.ts';
import { meanRows } from '../graph/ops/meanRows.ts';
import { nearestRow } from '../graph/ops/nearestRow.ts';
import { scale } from '../graph/ops/scale.ts';
import { selectRows } from '../graph/ops/selectRows.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { TowerHooks, VisionTower } from './towers.ts';

/** Of the hidden state `depth`, with the attention that led to it: f32 [dominant + contextual, width]; `w` stands at the tower. */
export function visionzip(
  g: Graph,
  w: Weights,
  tower: VisionTower,
  pixels: Tensor,
  depth: number,
  { dominant = 54, contextual = 10 }: { readonly dominant?: number; readonly contextual?: number },
): Tensor {
  const all = 1 + Math.floor(tower.imageSize / tower.patch) ** 2;
  const others = all - dominant;
  if (!Number.isInteger(dominant) || dominant < 1 || dominant >= all)
    throw new InputError(`prune: visionzip: dominant must be 1 to ${all - 1}: got ${dominant}`);
  if (!Number.isInteger(contextual) || contextual < 1 || contextual > others)
    throw new InputError(`prune: visionzip: contextual must be 1 to ${others}: got ${contextual}`);
  const { heads } = tower;
  const dim = tower.hidden / heads;
  let scores: Tensor | undefined;
  let metric: Tensor | undefined;
  const hooks: TowerHooks = {
    attend(_, i, q, k, v) {
      if (i !== depth - 1) return undefined;
      const cache = kvCache(g, 'keys of the class row', 'kv-f32', heads, all, dim);
      g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads, dim, at: 0 });
      const params = { heads, kvHeads: heads, dim, scale: dim ** -0.5, keys: all };
      const mean = g.add(meanRows, [g.add(attentionRow, [rows(q, 0, 1), cache.k], params)], {});
      scores = g.tap('cls_attention', rows(reshape(g.add(scale, [mean], { factor: heads }), [all, 1]), 1, all - 1));
      metric = g.tap('metric', g.add(meanHeads, [k], { heads }));
      return undefined;
    },
  };
  const h = g.tap('tower_hidden', tower.hiddenStates(g, w, pixels, depth, { hooks }).at(-1)!);
  return g.section('visionzip', () => {
    const params = { rows: all, how: 'best', k: dominant - 1, kept: dominant, from: 1 } as const;
    const [chosen, rest] = g.addAll(selectRows, [scores!], params) as [Tensor, Tensor];
    g.output('dominant rows', chosen);
    const targets = { first: 0, step: Math.max(1, Math.floor(others / contextual)), count: contextual };
    const [, cluster] = g.addAll(nearestRow, [g.add(gatherRows, [metric!, rest], {})], targets) as [Tensor, Tensor];
    g.tap('clusters', cluster);
    const clusters = g.add(clusterRows, [g.add(gatherRows, [h, rest], {}), cluster], targets);
    return g.add(concatRows, [g.add(gatherRows, [h, chosen], {}), clusters], {});
  });
}
