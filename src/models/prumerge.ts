// PruMerge (Shang et al. 2024): rows whose attention from the class row is an outlier take up their nearest neighbours; how many there are
// depends on the picture. PruMerge+ also keeps samples between them. The attention is that of the layer behind, the last one, as one head of full width.

import { InputError, UnsupportedError } from '../errors.ts';
import { type Graph, newCell, reshape, rows } from '../graph/graph.ts';
import { headScores } from '../graph/ops/headScores.ts';
import { mergeNeighbours } from '../graph/ops/mergeNeighbours.ts';
import { selectOutliers } from '../graph/ops/selectOutliers.ts';
import { softmax } from '../graph/ops/softmax.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { VisionTower } from './towers.ts';

/** Samples are taken below this row, whatever the tower. sic: the last of 576 rows never is one. */
const SAMPLES = 575;

/** Of the hidden state `depth`, with the queries and keys of the layer behind it: f32 [chosen + 1, width]; `w` stands at the tower. */
export function prumerge(
  g: Graph,
  w: Weights,
  tower: VisionTower,
  pixels: Tensor,
  depth: number,
  { neighbours = 32, plus }: { readonly neighbours?: number; readonly plus: boolean },
): Tensor {
  const patches = Math.floor(tower.imageSize / tower.patch) ** 2;
  if (!Number.isInteger(neighbours) || neighbours < 1 || neighbours >= patches)
    throw new InputError(`prune: prumerge: neighbours must be 1 to ${patches - 1}: got ${neighbours}`);
  const h = g.tap('tower_hidden', tower.hiddenStates(g, w, pixels, depth).at(-1)!);
  return g.section('prumerge', () => {
    const last = tower.classAttention(g, w, depth, h);
    if (!last)
      throw new UnsupportedError(
        `prune: prumerge: needs layer ${depth} of the tower, which this file leaves out since nothing else runs it: take the original checkpoint, or visionzip`,
      );
    const [q, k] = [g.tap('class query', last.q), g.tap('k', last.k)];
    const scores = g.add(headScores, [q, k], { heads: 1, keys: patches + 1, step: 0 });
    const weights = reshape(g.add(softmax, [scores], { scale: tower.hidden ** -0.5 }), [patches + 1, 1]);
    const a = g.tap('cls_attn_merged', rows(weights, 1, patches));
    const [chosen, merged] = [newCell('chosen rows', patches), newCell('merged rows', patches + 1)];
    const [index, ratio] = g.addAll(selectOutliers, [a], { chosen, merged, ...(plus && { samples: SAMPLES }) }) as [Tensor, Tensor];
    g.output('select_index', index);
    g.tap('prune_ratio', ratio);
    return g.add(mergeNeighbours, [rows(h, 1, patches), rows(k, 1, patches), a, index], { neighbours, merged });
  });
}
