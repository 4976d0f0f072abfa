// CLIP vision tower (openai/clip-vit-large-patch14-336 and relatives; Radford et al. 2021).
//
//   pixels   f32 [3, size, size] as [3 * size, size]     normalised
//   result   f32 [1 + (size/patch)^2, width]             hidden state `depth`, class row first (SigLIP: none); the caller drops it
//
// Layers after `depth` cannot reach the output and are not built. Pre-norm blocks, biases everywhere.

import { UnsupportedError } from '../errors.ts';
import { type Graph, rows } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import type { Op } from '../graph/op.ts';
import { add } from '../graph/ops/add.ts';
import { concatRows } from '../graph/ops/concatRows.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { geluQuick } from '../graph/ops/geluQuick.ts';
import { geluTanh } from '../graph/ops/geluTanh.ts';
import { layerNorm } from '../graph/ops/layerNorm.ts';
import { patchRows } from '../graph/ops/patchRows.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { wholeAttention } from './block.ts';
import type { Config } from './config.ts';
import type { TowerHooks, TowerView, VisionTower } from './towers.ts';

export interface ClipConfig {
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly layers: number;
  readonly imageSize: number;
  readonly patch: number;
  readonly eps: number;
  readonly activation: Op;
  /** A class row stands before the patches, and a norm follows (SigLIP has neither). */
  readonly classRow: boolean;
}

const ACTIVATIONS: ReadonlyMap<string, Op> = new Map([
  ['quick_gelu', geluQuick],
  ['gelu', gelu],
  ['gelu_pytorch_tanh', geluTanh],
]);

export function clipConfig(c: Config): ClipConfig {
  const act = c.string('hidden_act', 'quick_gelu');
  const activation = ACTIVATIONS.get(act);
  if (!activation) throw new UnsupportedError(`${c.where}: hidden_act: got ${act}, expected one of ${[...ACTIVATIONS.keys()].join(', ')}`);
  return {
    hidden: c.size('hidden_size', 768),
    intermediate: c.size('intermediate_size', 3072),
    heads: c.size('num_attention_heads', 12),
    layers: c.size('num_hidden_layers', 12),
    imageSize: c.size('image_size', 224),
    patch: c.size('patch_size', 32),
    eps: c.number('layer_norm_eps', 1e-5),
    activation,
    classRow: true,
  };
}

/** Pixels of another size than the tower's own, with its table of positions made to fit: [1 + patches, width]. */
export interface ClipView {
  readonly height: number;
  readonly width: number;
  positions(g: Graph, table: Tensor): Tensor;
}

/** CLIP by the tower's config. */
export const clipTower = (c: Config): VisionTower => clipTowerOf(clipConfig(c));

export const clipTowerOf = (c: ClipConfig): VisionTower => ({
  ...c,
  hiddenStates: (g, w, pixels, depth, how) => clip(g, w, c, pixels, depth, how),
  classAttention(g, w, i, x) {
    const layer = w.at('encoder.layers').at(i);
    if (!layer.has('self_attn.q_proj.weight')) return undefined;
    const n = clipNorm(g, layer.at('layer_norm1'), c, x);
    const part = (name: string, of: Tensor) => clipLinear(g, layer.at(`self_attn.${name}_proj`), c, of);
    return { q: part('q', rows(n, 0, 1)), k: part('k', n) };
  },
});

/** Hidden states 0 to `depth`; `w` stands at the tensors named `embeddings`, `encoder`, ... */
function clip(g: Graph, w: Weights, c: ClipConfig, pixels: Tensor, depth: number, { view, hooks = {} }: TowerView = {}): readonly Tensor[] {
  const { hidden, patch, imageSize } = c;
  const { height, width } = view ?? { height: imageSize, width: imageSize };
  const first = c.classRow ? 1 : 0;

  const embedded = g.section('embeddings', () => {
    const e = w.at('embeddings');
    const patches = g.add(patchRows, [pixels], { channels: 3, height, width, patch });
    const bias = e.maybePlain('patch_embedding.bias', [hidden]);
    const tokens = linear(g, patches, e.matrix('patch_embedding.weight', [hidden, 3 * patch * patch]), bias ? { bias } : {});
    const all = c.classRow ? g.add(concatRows, [e.plain('class_embedding', [1, hidden]), tokens], {}) : tokens;
    const table = e.plain('position_embedding.weight', [first + Math.floor(imageSize / patch) ** 2, hidden]);
    return g.tap('vision_embeddings', g.add(add, [all, view ? view.positions(g, table) : table], {}));
  });
  const states = [g.tap('vision_hidden_0', c.classRow ? clipNorm(g, w.at('pre_layrnorm'), c, embedded) : embedded)]; // sic

  for (let i = 0; i < depth; i++) {
    const x = g.section(`tower layer ${i}`, () => clipLayer(g, w.at('encoder.layers').at(i), c, states[i]!, i, hooks));
    states.push(g.tap(`vision_hidden_${i + 1}`, x));
  }
  return states;
}

function clipLayer(g: Graph, w: Weights, c: ClipConfig, x: Tensor, index: number, hooks: TowerHooks): Tensor {
  const { hidden, heads } = c;
  const a = w.at('self_attn');
  const n = clipNorm(g, w.at('layer_norm1'), c, x);
  const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => clipLinear(g, a.at(name), c, n)) as [Tensor, Tensor, Tensor];
  const attended =
    hooks.attend?.(g, index, q, k, v) ?? wholeAttention(g, q, k, v, heads, a.at('out_proj').matrix('weight', [hidden, hidden]));
  const z = clipLinear(g, a.at('out_proj'), c, attended, x);
  const y = hooks.beforeMlp?.(g, index, z) ?? z;

  const m = w.at('mlp');
  const up = linear(g, clipNorm(g, w.at('layer_norm2'), c, y), m.matrix('fc1.weight', [c.intermediate, hidden]), {
    bias: m.plain('fc1.bias', [c.intermediate]),
  });
  const act = g.add(c.activation, [up], {});
  return linear(g, act, m.matrix('fc2.weight', [hidden, c.intermediate]), { bias: m.plain('fc2.bias', [hidden]), residual: y });
}

/** The tower's LayerNorm with the weights at `w`. */
const clipNorm = (g: Graph, w: Weights, c: ClipConfig, x: Tensor): Tensor =>
  g.add(layerNorm, [x, w.plain('weight', [c.hidden]), w.plain('bias', [c.hidden])], { eps: c.eps });

/** A projection of the attention: [rows, hidden] -> the same, plus `residual`. */
const clipLinear = (g: Graph, w: Weights, c: ClipConfig, x: Tensor, residual?: Tensor): Tensor =>
  linear(g, x, w.matrix('weight', [c.hidden, c.hidden]), { bias: w.plain('bias', [c.hidden]), residual });
