// The predictors of Dynamic-LLaVA (Huang et al. 2024): which rows the later layers still see. Column 0 of a result speaks for keeping.

import { columns, type Graph } from '../graph/graph.ts';
import { kvCache } from '../graph/kv.ts';
import { linear } from '../graph/linear.ts';
import { attention } from '../graph/ops/attention.ts';
import { concatCols } from '../graph/ops/concatCols.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { kvWrite } from '../graph/ops/kvWrite.ts';
import { meanRows } from '../graph/ops/meanRows.ts';
import { colsOf, maxOf, rowsOf, type Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { affine, ln } from './block.ts';

const EPS = 1e-5;

export interface PredictorSizes {
  /** Width. */
  readonly model: number;
  readonly heads: number;
  readonly feedForward: number;
  /** Blocks of the picture's predictor. */
  readonly blocks: number;
}

/** Scores of all rows of a picture, which see each other: x f32 [n, hidden] -> [n, 2]; `w` stands at `image_score_predictor`. */
export function pictureScores(g: Graph, w: Weights, { model, heads, feedForward, blocks }: PredictorSizes, x: Tensor): Tensor {
  const half = model / 2;
  const down = w.at('down_mlp');
  let h = g.add(gelu, [affine(g, down.at(1), ln(g, down.at(0), x, EPS), model)], {});
  for (let i = 0; i < blocks; i++) {
    const b = w.at('transformer').at(i);
    h = selfAttention(g, b.at('attn'), heads, ln(g, b.at('norm1'), h, EPS), h);
    const up = affine(g, b.at('mlp.fc1'), ln(g, b.at('norm2'), h, EPS), feedForward);
    h = affine(g, b.at('mlp.fc2'), g.add(gelu, [up], {}), model, h);
  }
  // The mean of all rows stands beside every row.
  const mean = columns(g.add(meanRows, [h], {}), half, half);
  const everywhere: Tensor = { ...mean, shape: [rowsOf(h.shape), half], stride: 0 };
  return mlp(g, w.at('output_mlp'), [0, 2, 4], g.add(concatCols, [columns(h, 0, half), everywhere], {}), model);
}

/** Scores of rows one by one: x f32 [n, hidden] -> [n, 2]; `w` stands at `output_text_score_predictor` or `instruct_score_predictor`. */
export function textScores(g: Graph, w: Weights, model: number, x: Tensor): Tensor {
  const out = w.at('output_mlp');
  const h = g.add(gelu, [affine(g, out.at(1), ln(g, out.at(0), x, EPS), model)], {});
  return mlp(g, out, [3, 5, 7], h, model);
}

/** Half, a quarter of the width, then 2. */
function mlp(g: Graph, w: Weights, [a, b, c]: readonly [number, number, number], x: Tensor, model: number): Tensor {
  const h = g.add(gelu, [affine(g, w.at(a), x, model / 2)], {});
  return affine(g, w.at(c), g.add(gelu, [affine(g, w.at(b), h, model / 4)], {}), 2);
}

/** Every row sees all rows; q, k and v have no bias. */
function selfAttention(g: Graph, w: Weights, heads: number, x: Tensor, residual: Tensor): Tensor {
  const width = colsOf(x.shape);
  const keys = rowsOf(x.shape);
  const dim = width / heads;
  const qkv = linear(g, x, w.matrix('qkv.weight', [3 * width, width]));
  const [q, k, v] = [0, 1, 2].map((i) => columns(qkv, i * width, width)) as [Tensor, Tensor, Tensor];
  const cache = kvCache(g, 'predictor', 'kv-f32', heads, maxOf(keys), dim);
  g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads, dim, at: 0 });
  const params = { heads, kvHeads: heads, dim, scale: dim ** -0.5, causal: false, past: 0, keys };
  return affine(g, w.at('proj'), g.add(attention, [q, cache.k, cache.v], params), width, residual);
}
