// timm's ViT as a vision tower: DINOv2-style with LayerScale (BiomedCLIP, LLaVA-Rad; Oquab et al. 2023) and EVA ViT-g (BLIP-2; Fang et al. 2023).
//
//   pixels   f32 [3 * size, size]                  normalised
//   result   hidden states f32 [1 + patches, width], class row first, no norm at the end
//
//   x = [class; patches] + positions
//   x <- x + ls1 * proj(attention(norm1 x))
//   x <- x + ls2 * fc2(gelu(fc1(norm2 x)))
//
// LayerScale is there where the checkpoint has it. q, k and v lie in one matrix; EVA has biases for q and v alone, beside it.

import { FormatError } from '../errors.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { columns, type Graph, rows } from '../graph/graph.ts';
import { linear } from '../graph/linear.ts';
import { add } from '../graph/ops/add.ts';
import { concatRows } from '../graph/ops/concatRows.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { mul } from '../graph/ops/mul.ts';
import { patchRows } from '../graph/ops/patchRows.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { affine, ln, wholeAttention } from './block.ts';
import { Config } from './config.ts';
import type { TowerHooks, TowerView, VisionTower } from './towers.ts';

interface TimmConfig {
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly layers: number;
  readonly imageSize: number;
  readonly patch: number;
  readonly eps: number;
}

/** Heads of widths whose heads have not 64 elements: so400m, ViT-H, ViT-g of EVA. */
const HEADS: Readonly<Record<number, number>> = { 1152: 16, 1280: 16, 1408: 16 };

/** The config that a tower's tensors below `prefix` show: no checkpoint of these towers brings one. */
export function timmVitConfig(files: TensorFiles, prefix: string): Config {
  const where = `${files.name}: ${prefix}`;
  const shape = (name: string): readonly number[] => {
    const info = files.tensors.get(`${prefix}.${name}`);
    if (!info) throw new FormatError('structure', `${where}: has no tensor ${name}: a ViT of timm is expected`);
    return info.shape;
  };
  const [hidden = 0, , patch = 0] = shape('patch_embed.proj.weight');
  let layers = 0;
  while (files.tensors.has(`${prefix}.blocks.${layers}.norm1.weight`)) layers++;
  return new Config(where, {
    model_type: 'timm_vit',
    hidden_size: hidden,
    intermediate_size: shape('blocks.0.mlp.fc1.weight')[0]!,
    num_attention_heads: HEADS[hidden] ?? Math.max(1, Math.floor(hidden / 64)),
    num_hidden_layers: layers,
    image_size: Math.floor(Math.sqrt(shape('pos_embed').at(-2)! - 1)) * patch,
    patch_size: patch,
    layer_norm_eps: 1e-6,
  });
}

export function timmTower(c: Config): VisionTower {
  const sizes: TimmConfig = {
    hidden: c.size('hidden_size'),
    intermediate: c.size('intermediate_size'),
    heads: c.size('num_attention_heads'),
    layers: c.size('num_hidden_layers'),
    imageSize: c.size('image_size'),
    patch: c.size('patch_size'),
    eps: c.number('layer_norm_eps', 1e-6),
  };
  if (sizes.hidden % sizes.heads)
    throw new FormatError(
      'config',
      `${c.where}: num_attention_heads: got ${sizes.heads} for a width of ${sizes.hidden}, a divisor is expected`,
    );
  return {
    ...sizes,
    classRow: true,
    hiddenStates: (g, w, pixels, depth, how) => timmVit(g, w, sizes, pixels, depth, how),
    classAttention(g, w, i, x) {
      const block = w.at('blocks').at(i);
      if (!block.has('attn.qkv.weight')) return undefined;
      const { q, k } = projections(g, block, sizes, x);
      return { q: rows(q, 0, 1), k };
    },
  };
}

function timmVit(
  g: Graph,
  w: Weights,
  c: TimmConfig,
  pixels: Tensor,
  depth: number,
  { view, hooks = {} }: TowerView = {},
): readonly Tensor[] {
  const { hidden, patch, imageSize } = c;
  const { height, width } = view ?? { height: imageSize, width: imageSize };
  const embedded = g.section('embeddings', () => {
    const patches = g.add(patchRows, [pixels], { channels: 3, height, width, patch });
    const e = w.at('patch_embed.proj');
    const tokens = linear(g, patches, e.matrix('weight', [hidden, 3 * patch * patch]), { bias: e.maybePlain('bias', [hidden]) });
    const all = g.add(concatRows, [w.plain('cls_token', [1, hidden]), g.tap('vit_patch_embed', tokens)], {});
    const table = w.plain('pos_embed', [1 + Math.floor(imageSize / patch) ** 2, hidden]);
    return g.add(add, [all, view ? view.positions(g, table) : table], {});
  });
  const states = [g.tap('vision_hidden_0', embedded)];
  for (let i = 0; i < depth; i++) {
    const x = g.section(`tower layer ${i}`, () => timmBlock(g, w.at('blocks').at(i), c, states[i]!, i, hooks));
    states.push(g.tap(`vision_hidden_${i + 1}`, x));
  }
  return states;
}

function timmBlock(g: Graph, w: Weights, c: TimmConfig, x: Tensor, index: number, hooks: TowerHooks): Tensor {
  const { hidden, intermediate, heads, eps } = c;
  const { q, k, v } = projections(g, w, c, x);
  const attended =
    hooks.attend?.(g, index, q, k, v) ?? wholeAttention(g, q, k, v, heads, w.at('attn.proj').matrix('weight', [hidden, hidden]));
  const z = scaled(g, w.at('ls1'), w.at('attn.proj'), attended, hidden, x);
  const y = hooks.beforeMlp?.(g, index, z) ?? z;
  const up = g.add(gelu, [affine(g, w.at('mlp.fc1'), ln(g, w.at('norm2'), y, eps), intermediate)], {});
  return scaled(g, w.at('ls2'), w.at('mlp.fc2'), up, hidden, y);
}

/** q, k and v of a block that x enters: windows of one matrix' result where no bias lies beside it. */
function projections(g: Graph, w: Weights, { hidden, eps }: TimmConfig, x: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
  const a = w.at('attn');
  const qkv = affine(g, a.at('qkv'), ln(g, w.at('norm1'), x, eps), 3 * hidden);
  const part = (i: number, bias: string) => {
    const y = columns(qkv, i * hidden, hidden);
    return a.has(bias) ? g.add(add, [y, a.plain(bias, [hidden])], {}) : y;
  };
  return { q: part(0, 'q_bias'), k: part(1, 'k_bias'), v: part(2, 'v_bias') };
}

/** residual + gamma * layer(x), without gamma where the checkpoint has none. */
function scaled(g: Graph, scale: Weights, layer: Weights, x: Tensor, out: number, residual: Tensor): Tensor {
  if (!scale.has('gamma')) return affine(g, layer, x, out, residual);
  return g.add(add, [residual, g.add(mul, [affine(g, layer, x, out), scale.plain('gamma', [out])], {})], {});
}
