// LLaMA / Mistral decoder (Touvron et al. 2023; Jiang et al. 2023).
//
//   x        f32 [rows, hidden]   embedded tokens and image rows
//   result   f32 [rows, hidden]   after the last layer, before the final norm
//
// Three things differ and are kept apart: a row's position (RoPE), its place in each layer's cache, its index in this chunk.

import { UnsupportedError } from '../errors.ts';
import { columns, type Graph } from '../graph/graph.ts';
import type { Kv } from '../graph/kv.ts';
import { linear } from '../graph/linear.ts';
import { attention } from '../graph/ops/attention.ts';
import { kvWrite } from '../graph/ops/kvWrite.ts';
import { rmsNorm } from '../graph/ops/rmsNorm.ts';
import { rope } from '../graph/ops/rope.ts';
import { siluMul } from '../graph/ops/siluMul.ts';
import type { Dim, Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Config } from './config.ts';

export interface LlamaConfig {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly dim: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly eps: number;
  readonly theta: number;
  /** Positions are divided by it (linear RoPE scaling). */
  readonly ropeFactor: number;
  readonly pairing: 'half' | 'interleaved';
  readonly window: number | undefined;
}

export function llamaConfig(c: Config): LlamaConfig {
  const mistral = /mistral/i.test(c.string('model_type', ''));
  const hidden = c.size('hidden_size', 4096);
  const heads = c.size('num_attention_heads', 32);
  const scaling = c.object('rope_scaling');
  const kind = scaling?.string('type', scaling.string('rope_type', 'default')) ?? 'default';
  if (!['default', 'linear', 'none'].includes(kind)) throw new UnsupportedError(`${c.where}: rope_scaling type ${kind}: only linear is known`);
  const act = c.string('hidden_act', 'silu');
  if (act !== 'silu') throw new UnsupportedError(`${c.where}: hidden_act: got ${act}, expected silu`);
  const window = 'sliding_window' in c.values ? (c.has('sliding_window') ? c.size('sliding_window') : undefined) : mistral ? 4096 : undefined;
  return {
    hidden,
    intermediate: c.size('intermediate_size', mistral ? 14336 : 11008),
    layers: c.size('num_hidden_layers', 32),
    heads,
    kvHeads: c.size('num_key_value_heads', mistral ? 8 : heads),
    dim: c.size('head_dim', hidden / heads),
    vocabulary: c.size('vocab_size', 32000),
    context: c.size('max_position_embeddings', 2048),
    eps: c.number('rms_norm_eps', 1e-6),
    theta: c.number('rope_theta', 10000),
    ropeFactor: kind === 'linear' ? (scaling?.number('factor', 1) ?? 1) : 1,
    pairing: c.string('rope_pairing', 'half') === 'interleaved' ? 'interleaved' : 'half',
    window,
  };
}

/** What flows from layer to layer. A pruning step returns other rows, another table and other cache lengths. */
export interface Stream {
  readonly x: Tensor;
  /** cos and sin of the rows' positions. */
  readonly rope: Tensor;
  /** Rows in this layer's cache before this chunk. */
  readonly past: Dim;
}

export interface LlamaHooks {
  /** Runs before layer `i`: may drop rows. */
  beforeLayer?(g: Graph, i: number, s: Stream): Stream;
}

/** Builds all layers. `w` stands at `model`; `caches` holds one key/value cache per layer. */
export function llamaLayers(g: Graph, w: Weights, c: LlamaConfig, caches: readonly Kv[], start: Stream, hooks: LlamaHooks = {}): Stream {
  let s = start;
  for (let i = 0; i < c.layers; i++) {
    s = g.section(`layer ${i}`, () => {
      const from = hooks.beforeLayer?.(g, i, s) ?? s;
      return { ...from, x: llamaLayer(g, w.at('layers').at(i), c, caches[i]!, from) };
    });
    g.tap(`lm_hidden_${i + 1}`, s.x);
  }
  return s;
}

function llamaLayer(g: Graph, w: Weights, c: LlamaConfig, cache: Kv, { x, rope: table, past }: Stream): Tensor {
  const { hidden, heads, kvHeads, dim } = c;
  const h = g.add(rmsNorm, [x, w.plain('input_layernorm.weight', [hidden])], { eps: c.eps });
  const { q, k, v } = projections(g, w.at('self_attn'), c, h);
  const turn = (t: Tensor, n: number) => g.add(rope, [t, table], { heads: n, dim, rotary: dim, pairing: c.pairing });
  g.addAll(kvWrite, [turn(k, kvHeads), v, cache.k, cache.v], { heads: kvHeads, dim, at: past });
  const attended = g.add(attention, [turn(q, heads), cache.k, cache.v], {
    heads, kvHeads, dim, scale: dim ** -0.5, causal: true, past, ...(c.window === undefined ? {} : { window: c.window }),
  });
  const y = linear(g, attended, w.matrix('self_attn.o_proj.weight', [hidden, heads * dim]), {
    residual: x, ...bias(w.at('self_attn.o_proj'), hidden),
  });
  return swiGlu(g, w.at('mlp'), c, g.add(rmsNorm, [y, w.plain('post_attention_layernorm.weight', [hidden])], { eps: c.eps }), y);
}

const bias = (w: Weights, n: number): { bias?: Tensor } => {
  const t = w.maybePlain('bias', [n]);
  return t ? { bias: t } : {};
};

/** q, k and v of a row: one matmul where the three matrices have the same type and no bias, else three. */
function projections(g: Graph, w: Weights, c: LlamaConfig, h: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
  const nq = c.heads * c.dim;
  const nkv = c.kvHeads * c.dim;
  const names = ['q_proj', 'k_proj', 'v_proj'].map((n) => `${n}.weight`);
  if (stackable(w, names, [nq, nkv]) && !w.has('q_proj.bias')) {
    const qkv = linear(g, h, w.matrix(names, [nq + 2 * nkv, c.hidden]));
    return { q: columns(qkv, 0, nq), k: columns(qkv, nq, nkv), v: columns(qkv, nq + nkv, nkv) };
  }
  const one = (n: string, rows: number) => linear(g, h, w.matrix(`${n}.weight`, [rows, c.hidden]), bias(w.at(n), rows));
  return { q: one('q_proj', nq), k: one('k_proj', nkv), v: one('v_proj', nkv) };
}

/** `down(silu(gate h) * (up h)) + residual`. */
export function swiGlu(g: Graph, w: Weights, c: { hidden: number; intermediate: number }, h: Tensor, residual: Tensor): Tensor {
  const n = c.intermediate;
  const names = ['gate_proj.weight', 'up_proj.weight'];
  const both = stackable(w, names, [n]) ? linear(g, h, w.matrix(names, [2 * n, c.hidden])) : undefined;
  const gate = both ? columns(both, 0, n) : linear(g, h, w.matrix(names[0]!, [n, c.hidden]));
  const up = both ? columns(both, n, n) : linear(g, h, w.matrix(names[1]!, [n, c.hidden]));
  return linear(g, g.add(siluMul, [gate, up], {}), w.matrix('down_proj.weight', [c.hidden, n]), { residual });
}

/** Matrices can be stacked when they have one type and each fills whole packs of 8 rows. */
const stackable = (w: Weights, names: readonly string[], sizes: readonly number[]): boolean =>
  new Set(names.map((n) => w.type(n))).size === 1 && sizes.every((n) => n % 8 === 0);
