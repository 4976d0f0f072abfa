// MQT-LLaVA, the Matryoshka query transformer (Hu et al. 2024): LLaVA-1.5 whose projector is one layer of cross-attention with M learned
// queries, of which each request uses the first m.
//
//   features  f32 [patches, width]   CLIP's penultimate layer without its class row; 576 patches in the released model
//   result    f32 [m, hidden]
//
// Queries and keys are positions only, so the attention weights [M, heads * patches] are a constant of the checkpoint: computed at load.

import { InputError, UnsupportedError } from '../errors.ts';
import { Graph, rows } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { add } from '../graph/ops/add.ts';
import { mixHeads } from '../graph/ops/mixHeads.ts';
import type { Tensor } from '../graph/tensor.ts';
import { Weights } from '../graph/weights.ts';
import { type ImageSettings, pixelsOf, type Size, shownWindow } from '../image/preprocess.ts';
import { bicubicSamples } from '../image/sampling.ts';
import type { Programs } from '../runtime/programs.ts';
import type { Config } from './config.ts';
import { Constant } from './constants.ts';
import { openDecoder, openTower, type Tower, tileSettings } from './llava15.ts';
import type { Checkpoint, ImageEncoder, ModelDefinition } from './model.ts';
import { affine, headWeights, meanOverHeads, resamplerLayers, resamplerNorm, sampled, sampleInputs } from './resampler.ts';

export const PREFIX = 'model.query_abstractor';
const HEADS = 16;

export const mqt: ModelDefinition = {
  name: 'mqt-llava',
  open(checkpoint, options) {
    const weights = Weights.over(resamplerLayers(checkpoint.files, PREFIX), options);
    const decoder = openDecoder(weights, checkpoint.config, options);
    const { vision } = checkpoint;
    return {
      name: 'mqt-llava',
      weights: [weights],
      needsAllRows: 'its queries look at places of the whole grid: choose fewer visual tokens instead',
      decoder,
      ...(vision && { encoder: encoder(openMqt(weights, checkpoint), checkpoint.config, tileSettings(checkpoint, options)) }),
    };
  },
};

/** The resampler of a checkpoint. */
export interface MqtResampler {
  /** M: the largest budget. */
  readonly queries: number;
  /** The tower's patches, which the table of positions is resized to. */
  readonly grid: Size;
  /** Attention weights, f32 [M, heads * patches]. */
  readonly attention: Constant;
  /** The first m visual tokens, f32 [m, hidden]. `attention` must be filled before the program runs. */
  tokens(g: Graph, features: Tensor, m: number): Tensor;
}

/** `w` stands at the resampler; its layers are those of `resamplerLayers`. `grid`: the tower's patches. */
export function mqtResampler(w: Weights, grid: Size): MqtResampler {
  const [queries = 0, width = 0] = w.shape('query') ?? [];
  const [hidden = 0] = w.shape('proj.weight') ?? [];
  const side = Math.sqrt(queries);
  const keys = grid.width * grid.height;
  if (!Number.isInteger(side) || width % HEADS)
    throw new UnsupportedError(`${w.prefix}: must have a square number of queries and ${HEADS} heads: got query [${queries}, ${width}]`);

  const attention = new Constant(`${w.prefix}.attention`, [queries, HEADS * keys], () => {
    const g = new Graph('mqt attention');
    const table = w.plain('pos_embed', [queries, width]);
    g.tap('pos_embed_table', table);
    const resize = bicubicSamples({ width: side, height: side }, grid);
    const positions = g.tap('key_pos', sampled(g, 'key position', table, resize));
    const query = g.add(add, [w.plain('query', [queries, width]), table], {});
    const q = g.tap('ln_q', resamplerNorm(g, w.at('ln_q'), query, width));
    const k = g.tap('ln_k', resamplerNorm(g, w.at('ln_k'), positions, width));
    const a = w.at('attn');
    const project = (name: string, x: Tensor) => affine(g, a.at(name), x, width, width);
    const params = { heads: HEADS, keys, step: 0 };
    g.output('constant', headWeights(g, project('q_proj', q), project('k_proj', k), queries, params));
    return { graph: g, inputs: sampleInputs('key position', resize) };
  });

  return {
    queries,
    grid,
    attention,
    tokens(g, features, m) {
      const v = g.tap('ln_v', resamplerNorm(g, w.at('ln_v'), features, width));
      const values = affine(g, w.at('attn.v_proj'), v, width, width);
      const mixed = g.add(mixHeads, [rows(attention.tensor, 0, m), values], { heads: HEADS, keys, step: 0 });
      const out = g.tap('attn_out', affine(g, w.at('attn.out_proj'), mixed, width, width));
      return linear(g, out, w.matrix('proj.weight', [hidden, width]));
    },
  };
}

/** Tower and resampler; the program of each budget is planned at first use. */
export interface Mqt {
  readonly resampler: MqtResampler;
  tower(m: number): Tower;
}

export function openMqt(weights: Weights, checkpoint: Checkpoint): Mqt {
  const { side } = openTower(weights, checkpoint);
  const resampler = mqtResampler(weights.at(PREFIX), { width: side, height: side });
  const tower = (m: number) => openTower(weights, checkpoint, { name: `mqt m=${m}`, project: (g, x) => resampler.tokens(g, x, m) });
  return { resampler, tower };
}

/** The checkpoint's own budget. Training leaves the name of a stage there: then all queries. */
export function defaultBudget(config: Config, queries: number): number {
  const m = Number(config.values.num_visual_tokens ?? Number.NaN);
  return Number.isInteger(m) && m >= 1 && m <= queries ? m : queries;
}

function encoder({ resampler, tower }: Mqt, config: Config, settings: ImageSettings): ImageEncoder {
  const fallback = defaultBudget(config, resampler.queries);
  const budget = (m = fallback) => {
    if (Number.isInteger(m) && m >= 1 && m <= resampler.queries) return m;
    throw new InputError(`visualTokens: got ${m}, expected an integer of 1 to ${resampler.queries}`);
  };
  return {
    choices: ['visualTokens'],
    mostTokens: resampler.queries,
    async prepare(programs, load) {
      await tower(fallback).prepare(programs, load);
      await resampler.attention.fill(programs, load);
    },
    async encode(programs, image, options = {}) {
      const m = budget(options.visualTokens);
      await resampler.attention.fill(programs);
      const pixels = await pixelsOf(image, settings, programs.engine);
      const [features] = await tower(m).run(programs, [pixels], options);
      if (options.explain) {
        const { grid } = resampler;
        const attention = (await looks(resampler, programs)).subarray(0, m * grid.width * grid.height);
        options.explain({ name: 'picture', window: shownWindow(image, settings), grid, attention });
      }
      return { features: features!, rows: m };
    },
  };
}

/** Where each query looks, f32 [M, patches]: the same for all pictures. */
async function looks({ queries, attention }: MqtResampler, programs: Programs): Promise<Float32Array> {
  let mean: Float32Array = new Float32Array();
  await attention.compute(programs, [], ({ engine }, program) => {
    mean = meanOverHeads(engine.read(program, 'constant'), queries, HEADS);
  });
  return mean;
}
