// Qwen v1 (Bai et al. 2023).
//
//   x <- x + c_proj(attention(rms(x)))                    q, k, v in one matrix with a bias
//   x <- x + c_proj(w1 h * silu(w2 h)),  h = rms(x)       the gate is w2
//
// Two things reach past the trained length `seq_length`: rope's base grows with the length of the prefill (dynamic NTK), and the
// query of position i is multiplied by log_seq_length(i + 1) (log-n).

import { UnsupportedError } from '../errors.ts';
import type { Backbone, Shape } from './backbone.ts';
import { feedForward, type Gated, lmHead, rms, selfAttention, swiGlu } from './block.ts';
import type { Config } from './config.ts';
import { inverseFrequencies, type Rotary, rotaryConfig } from './rotary.ts';

const NAMES: Gated = { gate: 'w2', up: 'w1', down: 'c_proj' };

export function qwen(c: Config): Backbone {
  const hidden = c.size('hidden_size', 4096);
  const heads = c.size('num_attention_heads', 32);
  const dim = c.size('kv_channels', c.size('head_dim', hidden / heads));
  const trained = c.size('seq_length', c.size('max_position_embeddings', 8192));
  const shape: Shape = {
    hidden,
    layers: c.size('num_hidden_layers', 32),
    heads,
    kvHeads: heads,
    dim,
    vocabulary: c.size('vocab_size', 151936),
    context: c.size('max_position_embeddings', trained),
    window: undefined,
    rotary: rotary(c, dim, trained),
  };
  // The config counts the widths of w1 and w2 together.
  const intermediate = c.size('intermediate_size', 22016) / 2;
  const eps = c.number('layer_norm_epsilon', c.number('rms_norm_eps', 1e-6));
  const tied = c.bool('tie_word_embeddings', false);
  const logn = c.bool('use_logn_attn', true);
  return {
    ...shape,
    family: 'qwen',
    ...(logn ? { queryScale: { from: trained, at: (i: number) => (i + 1 > trained ? Math.log(i + 1) / Math.log(trained) : 1) } } : {}),
    embedding: (w) => w.matrix('transformer.wte.weight', [shape.vocabulary, hidden]),
    layer(g, root, site) {
      const w = root.at('transformer.h').at(site.index);
      const { x } = site.stream;
      const y = selfAttention(g, w.at('attn'), shape, site, { output: 'c_proj' }, rms(g, w.at('ln_1'), x, eps), x);
      return feedForward(g, w.at('mlp'), this, site, rms(g, w.at('ln_2'), y, eps), y);
    },
    ffn: (g, w, h, residual) => swiGlu(g, w, intermediate, h, residual, NAMES),
    norm: (g, w, x) => rms(g, w.at('transformer.ln_f'), x, eps),
    head(g, w, x) {
      return lmHead(g, w, this, x, { tied });
    },
  };
}

function rotary(c: Config, dim: number, trained: number): Rotary {
  if (c.number('rotary_pct', 1) !== 1) throw new UnsupportedError(`${c.where}: rotary_pct: got ${c.number('rotary_pct')}, expected 1`);
  const base = c.number('rotary_emb_base', c.number('rope_theta', 10000));
  const plain = rotaryConfig(c.with({ rope_theta: base }), dim);
  if (!c.bool('use_dynamic_ntk', true)) return plain;
  const alpha = (rows: number) => Math.max(2 ** Math.ceil(Math.log2(rows / trained) + 1) - 1, 1);
  return { ...plain, frequencies: (rows) => inverseFrequencies(base * alpha(rows) ** (dim / (dim - 2)), dim), regime: alpha };
}
