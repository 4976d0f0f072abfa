// Pieces of decoder layers that the families share. A `w` stands at the piece's own weights.

import { fixedRows } from '../graph/families/rows.ts';
import { columns, type Graph } from '../graph/graph.ts';
import { kvCache } from '../graph/kv.ts';
import { linear } from '../graph/linear.ts';
import { activationOf } from '../graph/matmul.ts';
import { attention } from '../graph/ops/attention.ts';
import { kvWrite } from '../graph/ops/kvWrite.ts';
import { layerNorm } from '../graph/ops/layerNorm.ts';
import { rmsNorm } from '../graph/ops/rmsNorm.ts';
import { rope } from '../graph/ops/rope.ts';
import { scaleRows } from '../graph/ops/scaleRows.ts';
import { siluMul } from '../graph/ops/siluMul.ts';
import { isPacked } from '../graph/packed.ts';
import { colsOf, type Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Attend, Backbone, Shape, Site } from './backbone.ts';

/** RMSNorm of x f32 [rows, cols] with `weight`. */
export const rms = (g: Graph, w: Weights, x: Tensor, eps: number): Tensor =>
  g.add(rmsNorm, [x, w.plain('weight', [colsOf(x.shape)])], { eps });

/** LayerNorm of x f32 [rows, cols] with `weight` and `bias`. */
export const ln = (g: Graph, w: Weights, x: Tensor, eps: number): Tensor =>
  g.add(layerNorm, [x, w.plain('weight', [colsOf(x.shape)]), w.plain('bias', [colsOf(x.shape)])], { eps });

/** `x weightᵀ`, plus `bias` where the checkpoint has one, plus `residual`: f32 [rows, in] -> [rows, out]. */
export const affine = (g: Graph, w: Weights, x: Tensor, out: number, residual?: Tensor): Tensor =>
  linear(g, x, w.matrix('weight', [out, colsOf(x.shape)]), { bias: w.maybePlain('bias', [out]), residual });

/** Names under which checkpoints keep q, k and v in one matrix: rows q, then k, then v. */
const FUSED = ['qkv_proj', 'c_attn', 'Wqkv'];

export interface SelfAttention {
  /** Name of the output projection. */
  readonly output: string;
  /** Applied to q and k before rope, which have `heads` heads each. */
  readonly normalize?: (g: Graph, w: Weights, which: 'q' | 'k', x: Tensor, heads: number) => Tensor;
}

/** Causal self-attention over the cache with its projections, plus `residual`: h f32 [rows, hidden], normalised -> [rows, hidden]. */
export function selfAttention(g: Graph, w: Weights, c: Shape, site: Site, how: SelfAttention, h: Tensor, residual: Tensor): Tensor {
  const { heads, kvHeads, dim, rotary, window } = c;
  const { stream, cache, hooks } = site;
  const { q, k, v } = projections(g, w, c, h);
  const turn = (x: Tensor, which: 'q' | 'k', n: number) =>
    g.add(rope, [how.normalize?.(g, w, which, x, n) ?? x, stream.rope], { heads: n, dim, rotary: rotary.dims, pairing: rotary.pairing });
  const turned = turn(q, 'q', heads);
  const a: Attend = {
    q: stream.queryScale ? g.add(scaleRows, [turned, stream.queryScale], {}) : turned,
    k: turn(k, 'k', kvHeads),
    v,
    cache,
    params: { heads, kvHeads, dim, scale: dim ** -0.5, causal: true, past: stream.past, ...(window === undefined ? {} : { window }) },
  };
  const attended = hooks.attend?.(g, site.index, a) ?? cachedAttention(g, a);
  return affine(g, w.at(how.output), attended, c.hidden, residual);
}

/** Stores k and v after what the cache holds, and lets every row see all keys up to its own: f32 [rows, heads * dim]. */
export function cachedAttention(g: Graph, { q, k, v, cache, params }: Attend): Tensor {
  g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads: params.kvHeads, dim: params.dim, at: params.past });
  return g.add(attention, [q, cache.k, cache.v], params);
}

/**
 * Attention without a cache, a mask or past: q f32 [rows, heads * dim] sees all rows of k and v, f32 [keys, heads * dim]. All may be windows.
 * In 16 bits where `beside`, a matrix of the layer, is quantized: its products round q, k and v more coarsely.
 */
export function wholeAttention(g: Graph, q: Tensor, k: Tensor, v: Tensor, heads: number, beside: Tensor): Tensor {
  const dim = colsOf(q.shape) / heads;
  const keys = fixedRows('attention', k);
  const integers = isPacked(beside.dtype) && activationOf(beside.dtype) !== 'f32';
  const cache = kvCache(g, 'keys and values', integers ? 'kv-i16' : 'kv-f32', heads, keys, dim);
  g.addAll(kvWrite, [k, v, cache.k, cache.v], { heads, dim, at: 0 });
  return g.add(attention, [q, cache.k, cache.v], { heads, kvHeads: heads, dim, scale: dim ** -0.5, causal: false, past: 0, keys });
}

/** q, k and v of a row: one matmul where the checkpoint has one matrix, or three of one type; else three. */
function projections(g: Graph, w: Weights, c: Shape, h: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
  const sizes = [c.heads * c.dim, c.kvHeads * c.dim, c.kvHeads * c.dim] as const;
  const fused = FUSED.find((name) => w.has(`${name}.weight`));
  const names = ['q_proj', 'k_proj', 'v_proj'];
  if (fused || stackable(w, names, sizes)) {
    const [nq, nk, nv] = sizes;
    const all = stacked(g, w, fused ? [fused] : names, h, nq + nk + nv);
    return { q: columns(all, 0, nq), k: columns(all, nq, nk), v: columns(all, nq + nk, nv) };
  }
  const [q, k, v] = names.map((name, i) => affine(g, w.at(name), h, sizes[i]!)) as [Tensor, Tensor, Tensor];
  return { q, k, v };
}

/** Several linear layers of one input as one. */
function stacked(g: Graph, w: Weights, names: readonly string[], x: Tensor, out: number): Tensor {
  const biases = names.map((n) => `${n}.bias`);
  const bias = w.has(biases[0]!) ? w.plain(biases, [out]) : undefined;
  return linear(
    g,
    x,
    w.matrix(
      names.map((n) => `${n}.weight`),
      [out, colsOf(x.shape)],
    ),
    { bias },
  );
}

/** Matrices can be stacked when they have one type, all a bias or none, and each fills whole packs of 8 rows. */
const stackable = (w: Weights, names: readonly string[], sizes: readonly number[]): boolean =>
  new Set(names.map((n) => `${w.type(`${n}.weight`)} ${w.has(`${n}.bias`)}`)).size === 1 && sizes.every((n) => n % 8 === 0);

/** The layer's FFN, unless a variant brings another: ffn(h) + residual. What it is added to is tapped as `lm_attended_<i>`. */
export const feedForward = (g: Graph, w: Weights, b: Pick<Backbone, 'ffn'>, site: Site, h: Tensor, residual: Tensor): Tensor => {
  g.tap(`lm_attended_${site.index}`, residual);
  return site.hooks.ffn?.(g, site.index, w, h, residual) ?? b.ffn(g, w, h, residual);
};

/** Names of a gated FFN's matrices. */
export interface Gated {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
  /** gate, then up in one matrix. */
  readonly both?: string;
}

export const GATED: Gated = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj', both: 'gate_up_proj' };

/** `down(silu(gate h) * (up h)) + residual` (SwiGLU, Shazeer 2020): h f32 [rows, hidden], `n` the FFN's width. */
export function swiGlu(g: Graph, w: Weights, n: number, h: Tensor, residual?: Tensor, names: Gated = GATED): Tensor {
  const fused = names.both && w.has(`${names.both}.weight`) ? names.both : undefined;
  const pair = [names.gate, names.up];
  const both = fused || stackable(w, pair, [n]) ? stacked(g, w, fused ? [fused] : pair, h, 2 * n) : undefined;
  const gate = both ? columns(both, 0, n) : affine(g, w.at(names.gate), h, n);
  const up = both ? columns(both, n, n) : affine(g, w.at(names.up), h, n);
  return affine(g, w.at(names.down), g.add(siluMul, [gate, up], {}), colsOf(h.shape), residual);
}

/** `lm_head`, or the embedding table where the two are tied. `bias`: the head's bias counts. */
export function lmHead(g: Graph, w: Weights, b: Backbone, x: Tensor, options: { tied: boolean; bias?: boolean }): Tensor {
  const tied = options.tied || !w.has('lm_head.weight');
  const bias = options.bias ? w.maybePlain('lm_head.bias', [b.vocabulary]) : undefined;
  return linear(g, x, tied ? b.embedding(w) : w.matrix('lm_head.weight', [b.vocabulary, b.hidden]), { bias });
}
