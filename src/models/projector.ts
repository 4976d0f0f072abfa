// Projectors from the tower's width to the language model's: `linear`, `mlpNx_gelu`, `identity` (LLaVA-1.5).

import { UnsupportedError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { gelu } from '../graph/ops/gelu.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';

/** Applies the projector `type` to features f32 [rows, from]; `w` stands at `model.mm_projector`. */
export function projector(g: Graph, w: Weights, type: string, features: Tensor, from: number, to: number): Tensor {
  if (type === 'identity') return features;
  const step = (x: Tensor, at: Weights, width: number) => {
    const bias = at.maybePlain('bias', [to]);
    return linear(g, x, at.matrix('weight', [to, width]), bias ? { bias } : {});
  };
  if (type === 'linear') return step(features, w, from);
  const depth = Number(/^mlp(\d+)x_gelu$/.exec(type)?.[1]);
  if (!(depth >= 1)) throw new UnsupportedError(`mm_projector_type: got ${type}, expected linear, identity or mlpNx_gelu`);
  let x = step(features, w.at(0), from);
  for (let i = 1; i < depth; i++) x = step(g.add(gelu, [x], {}), w.at(2 * i), to);
  return x;
}
