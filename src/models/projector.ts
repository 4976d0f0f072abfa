// Projectors from the tower's width to the language model's: `linear`, `mlpNx_gelu`, `identity` (LLaVA-1.5), `mlpNx_gelu_Norm` (Yi-VL), which has a
// LayerNorm behind every linear layer.

import { UnsupportedError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { gelu } from '../graph/ops/gelu.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { ln } from './block.ts';

/** Applies the projector `type` to features f32 [rows, from]; `w` stands at `model.mm_projector`. */
export function projector(g: Graph, w: Weights, type: string, features: Tensor, from: number, to: number): Tensor {
  if (type === 'identity') return features;
  const step = (x: Tensor, at: Weights, width: number) => {
    const bias = at.maybePlain('bias', [to]);
    return linear(g, x, at.matrix('weight', [to, width]), bias ? { bias } : {});
  };
  if (type === 'linear') return step(features, w, from);
  const [, count, normed] = /^mlp(\d+)x_gelu(_Norm)?$/.exec(type) ?? [];
  const depth = Number(count);
  if (!(depth >= 1)) throw new UnsupportedError(`mm_projector_type: got ${type}, expected linear, identity, mlpNx_gelu or mlpNx_gelu_Norm`);
  // Names count the modules of the sequence: a linear layer, its norm, GELU.
  const stride = normed ? 3 : 2;
  let x = features;
  for (let i = 0; i < depth; i++) {
    x = step(i ? g.add(gelu, [x], {}) : x, w.at(stride * i), i ? to : from);
    if (normed) x = ln(g, w.at(stride * i + 1), x, 1e-5);
  }
  return x;
}
