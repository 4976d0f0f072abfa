// What resamplers (learned queries over a tower's features) share: their tensors as linear layers, and attention whose weights are seen.

import type { TensorFiles } from '../formats/tensors.ts';
import { type View, withViews } from '../formats/views.ts';
import type { HeadParams } from '../graph/families/heads.ts';
import { type Graph, reshape } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { headScores } from '../graph/ops/headScores.ts';
import { layerNorm } from '../graph/ops/layerNorm.ts';
import { sampleRows } from '../graph/ops/sampleRows.ts';
import { softmax } from '../graph/ops/softmax.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Samples } from '../image/sampling.ts';

/** LayerNorm of the resamplers; the tower's is 1e-5. */
const EPS = 1e-6;

/** `attn.in_proj_*` (q, k and v stacked) and `proj` (applied as x @ proj) below `prefix` become q_proj, k_proj, v_proj and proj.weight. */
export function resamplerLayers(files: TensorFiles, prefix: string): TensorFiles {
  const width = (files.tensors.get(`${prefix}.attn.in_proj_weight`)?.shape[0] ?? 0) / 3;
  const parts = ['q_proj', 'k_proj', 'v_proj'].flatMap((name, i): View[] =>
    ['weight', 'bias'].map((what) => ({
      name: `${prefix}.attn.${name}.${what}`,
      of: `${prefix}.attn.in_proj_${what}`,
      from: i * width,
      count: width,
    })),
  );
  return withViews(files, [...parts, { name: `${prefix}.proj.weight`, of: `${prefix}.proj`, transposed: true }]);
}

/** A layer below `w` with weight [out, in] and a bias. */
export function affine(g: Graph, w: Weights, x: Tensor, out: number, from: number): Tensor {
  return linear(g, x, w.matrix('weight', [out, from]), { bias: w.plain('bias', [out]) });
}

export function resamplerNorm(g: Graph, w: Weights, x: Tensor, width: number): Tensor {
  return g.add(layerNorm, [x, w.plain('weight', [width]), w.plain('bias', [width])], { eps: EPS });
}

/** softmax(q . k / sqrt(dim)) of each query over its keys: f32 [rows, heads * keys]. */
export function headWeights(g: Graph, q: Tensor, k: Tensor, rows: number, params: HeadParams): Tensor {
  const { heads, keys } = params;
  const dim = (q.shape.at(-1) as number) / heads;
  const scores = reshape(g.add(headScores, [q, k], params), [rows * heads, keys]);
  return reshape(g.add(softmax, [scores], { scale: dim ** -0.5 }), [rows, heads * keys]);
}

/** Inputs `<name> index` and `<name> weights` for sampleRows; `sampleInputs` gives their values. */
export const sampleTables = (g: Graph, name: string, { rows, taps }: Samples): readonly [index: Tensor, weights: Tensor] => [
  g.input(`${name} index`, 'i32', [rows, taps]),
  g.input(`${name} weights`, 'f32', [rows, taps]),
];

/** Rows of `x` sampled with tables of their own. */
export const sampled = (g: Graph, name: string, x: Tensor, s: Samples): Tensor => g.add(sampleRows, [x, ...sampleTables(g, name, s)], {});

export const sampleInputs = (name: string, s: Samples): Record<string, Float32Array | Int32Array> => ({
  [`${name} index`]: s.index,
  [`${name} weights`]: s.weights,
});

/** Mean over heads of weights [rows, heads * keys]: where each row looks, f32 [rows, keys]. */
export function meanOverHeads(weights: Float32Array, rows: number, heads: number): Float32Array {
  const keys = weights.length / rows / heads;
  const mean = new Float32Array(rows * keys);
  for (let i = 0; i < weights.length; i++) mean[Math.floor(i / (heads * keys)) * keys + (i % keys)]! += weights[i]! / heads;
  return mean;
}
