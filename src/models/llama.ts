// LLaMA and its kin: Vicuna, Llama 3, Mistral, Yi, Qwen 2 (Touvron et al. 2023; Jiang et al. 2023), Phi-3 with fused matrices (Abdin et al. 2024).
//
//   x <- x + attention(rms(x))
//   x <- x + down(silu(gate h) * (up h)),  h = rms(x)

import { UnsupportedError } from '../errors.ts';
import type { Backbone, Shape } from './backbone.ts';
import { feedForward, lmHead, rms, selfAttention, swiGlu } from './block.ts';
import type { Config } from './config.ts';
import { rotaryConfig } from './rotary.ts';

export function llama(c: Config, defaults: { kvHeads?: number; intermediate?: number; window?: number | undefined } = {}): Backbone {
  const window = 'window' in defaults ? defaults.window : optionalSize(c, 'sliding_window');
  const shape: Shape = { ...sizes(c, defaults.kvHeads), window };
  const intermediate = c.size('intermediate_size', defaults.intermediate ?? 11008);
  const eps = c.number('rms_norm_eps', 1e-6);
  const tied = c.bool('tie_word_embeddings', false);
  const act = c.string('hidden_act', 'silu');
  if (act !== 'silu') throw new UnsupportedError(`${c.where}: hidden_act: got ${act}, expected silu`);
  return {
    ...shape,
    family: 'llama',
    embedding: (w) => w.matrix('model.embed_tokens.weight', [shape.vocabulary, shape.hidden]),
    layer(g, root, site) {
      const w = root.at('model.layers').at(site.index);
      const { x } = site.stream;
      const y = selfAttention(g, w.at('self_attn'), shape, site, { output: 'o_proj' }, rms(g, w.at('input_layernorm'), x, eps), x);
      return feedForward(g, w.at('mlp'), this, site, rms(g, w.at('post_attention_layernorm'), y, eps), y);
    },
    ffn: (g, w, h, residual) => swiGlu(g, w, intermediate, h, residual),
    norm: (g, w, x) => rms(g, w.at('model.norm'), x, eps),
    head(g, w, x) {
      return lmHead(g, w, this, x, { tied });
    },
  };
}

/** Mistral: grouped keys and a window unless the config says otherwise. */
export function mistral(c: Config): Backbone {
  // An explicit null means no window, an absent key the class's default.
  const window = 'sliding_window' in c.values ? optionalSize(c, 'sliding_window') : 4096;
  return { ...llama(c, { kvHeads: 8, intermediate: 14336, window }), family: 'mistral' };
}

/** Phi-3: one key more than the config's window is seen. */
export function phi3(c: Config): Backbone {
  const window = optionalSize(c, 'sliding_window');
  return { ...llama(c, { window: window === undefined ? undefined : window + 1 }), family: 'phi3' };
}

export const optionalSize = (c: Config, key: string): number | undefined => (c.has(key) ? c.size(key) : undefined);

/** The keys that LLaMA-like configs share. */
export function sizes(c: Config, kvHeads?: number): Omit<Shape, 'window'> {
  const hidden = c.size('hidden_size', 4096);
  const heads = c.size('num_attention_heads', 32);
  const dim = c.size('head_dim', hidden / heads);
  return {
    hidden,
    layers: c.size('num_hidden_layers', 32),
    heads,
    kvHeads: c.size('num_key_value_heads', kvHeads ?? heads),
    dim,
    vocabulary: c.size('vocab_size', 32000),
    context: c.size('max_position_embeddings', 2048),
    rotary: rotaryConfig(c, dim),
  };
}
