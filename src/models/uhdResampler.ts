// LLaVA-UHD's resampler (Xu et al. 2024): learned queries over the features of one slice, whatever its grid of patches.
//
//   features  f32 [patches, from]
//   result    f32 [queries, width]
//
// Two forms with the same tensors. `windows`, as released: each query sees its own part of the slice. `global`, as in the paper: all of it.
// The queries' side of the attention is a constant of the checkpoint, computed at load.

import { UnsupportedError } from '../errors.ts';
import { Graph } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { add } from '../graph/ops/add.ts';
import { mixHeads } from '../graph/ops/mixHeads.ts';
import { sampleRows } from '../graph/ops/sampleRows.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Size } from '../image/preprocess.ts';
import { bicubicSamples, type Samples } from '../image/sampling.ts';
import { Constant } from './constants.ts';
import { affine, headWeights, meanOverHeads, resamplerNorm, sampled, sampleInputs, sampleTables } from './resampler.ts';
import { windowSamples } from './uhdWindows.ts';

export type UhdForm = 'windows' | 'global';

/** Elements of a head in the released form; the paper's code has 8 heads instead. */
const HEAD = 128;
const PAPER_HEADS = 8;

export interface UhdResampler {
  readonly queries: number;
  /** Projected queries, f32 [queries, width]. */
  readonly query: Constant;
  /** What does not depend on the picture, for a grid of patches. */
  over(grid: Size, half?: boolean): UhdProjection;
}

export interface UhdProjection {
  /** f32 [queries, width]; `query` must be filled before the program runs. Taps `key_pos`, `ln_kv`, `attn`, `attn_out`. */
  tokens(g: Graph, features: Tensor): Tensor;
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /** Where each query looks, f32 [queries, patches], from the tap `attn`. */
  looks(attention: Float32Array): Float32Array;
}

/** `w` stands at the resampler; its layers are those of `resamplerLayers`. `from`: width of the features. */
export function uhdResampler(w: Weights, form: UhdForm, from: number): UhdResampler {
  const [queries = 0, width = 0] = w.shape('query') ?? [];
  const side = Math.sqrt(queries);
  const heads = form === 'windows' ? width / HEAD : PAPER_HEADS;
  if (!Number.isInteger(side) || !Number.isInteger(heads) || width % heads)
    throw new UnsupportedError(`${w.prefix}: needs a square number of queries and heads of ${HEAD}: got query [${queries}, ${width}]`);
  const table = () => w.plain('pos_embed', [queries, width]);
  const attn = w.at('attn');

  const query = new Constant(`${w.prefix}.projected_query`, [queries, width], () => {
    const graph = new Graph('uhd queries');
    // The position is added after the norm here, before it in MQT.
    const q = graph.add(add, [resamplerNorm(graph, w.at('ln_q'), w.plain('query', [queries, width]), width), table()], {});
    graph.output('constant', affine(graph, attn.at('q_proj'), q, width, width));
    return { graph, inputs: {} };
  });

  const over = (grid: Size, half = false): UhdProjection => {
    const positions = bicubicSamples({ width: side, height: side }, grid);
    const windows = form === 'windows' ? windowSamples(grid, side, half) : undefined;
    const keys = windows ? windows.rows / queries : grid.width * grid.height;
    const params = { heads, keys, step: windows ? keys : 0 };
    // Biases of the keys shift all scores of a query alike and fall out of the softmax; weights sum to 1, so that the values' is added once.
    // That lets projections come before the sampling, which has more rows and whose points beyond the map are zeros.
    const project = (g: Graph, name: string, x: Tensor) => linear(g, x, attn.matrix(`${name}.weight`, [width, width]));
    return {
      inputs: { ...sampleInputs('position', positions), ...(windows && sampleInputs('window', windows)) },
      tokens(g, features) {
        const wide = w.has('kv_proj.weight') ? linear(g, features, w.matrix('kv_proj.weight', [width, from])) : features;
        const kv = g.tap('ln_kv', resamplerNorm(g, w.at('ln_kv'), wide, width));
        const place = g.tap('key_pos', sampled(g, 'position', table(), positions));
        const tables = windows && sampleTables(g, 'window', windows);
        const seen = (x: Tensor) => (tables ? g.add(sampleRows, [x, ...tables], {}) : x);
        const k = seen(project(g, 'k_proj', g.add(add, [kv, place], {})));
        const v = seen(project(g, 'v_proj', kv));
        const weights = g.tap('attn', headWeights(g, query.tensor, k, queries, params));
        const mixed = g.add(add, [g.add(mixHeads, [weights, v], params), attn.plain('v_proj.bias', [width])], {});
        const out = g.tap('attn_out', affine(g, attn.at('out_proj'), mixed, width, width));
        return linear(g, resamplerNorm(g, w.at('ln_post'), out, width), w.matrix('proj.weight', [width, width]));
      },
      looks(attention) {
        const mean = meanOverHeads(attention, queries, heads);
        return windows ? spread(mean, windows, queries, grid.width * grid.height) : mean;
      },
    };
  };
  return { queries, query, over };
}

/** Weights over samples -> weights over the rows that the samples are made of. */
function spread(weights: Float32Array, { taps, index, weights: parts }: Samples, queries: number, patches: number): Float32Array {
  const out = new Float32Array(queries * patches);
  const perQuery = index.length / queries;
  for (let i = 0; i < index.length; i++) {
    const at = index[i]!;
    if (at >= 0) out[Math.floor(i / perQuery) * patches + at]! += parts[i]! * weights[Math.floor(i / taps)]!;
  }
  return out;
}
