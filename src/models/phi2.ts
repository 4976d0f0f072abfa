// Phi-1.5 and Phi-2 (Li et al. 2023; Javaheripi et al. 2023): attention and FFN side by side under one LayerNorm.
//
//   h = ln(x)
//   x <- x + attention(h) + fc2(gelu(fc1 h))
//
// Biases everywhere; the first part of a head turns.

import { UnsupportedError } from '../errors.ts';
import { geluTanh } from '../graph/ops/geluTanh.ts';
import type { Backbone, Shape } from './backbone.ts';
import { affine, feedForward, lmHead, ln, selfAttention } from './block.ts';
import type { Config } from './config.ts';
import { sizes } from './llama.ts';
import { rotaryConfig, rotaryDims } from './rotary.ts';

export function phi2(c: Config): Backbone {
  const common = sizes(c);
  const { dim, vocabulary, hidden } = common;
  const shape: Shape = { ...common, rotary: rotaryConfig(c, rotaryDims(c.number('partial_rotary_factor', 0.5), dim)), window: undefined };
  const intermediate = c.size('intermediate_size', 4 * hidden);
  const eps = c.number('layer_norm_eps', 1e-5);
  const tied = c.bool('tie_word_embeddings', false);
  // LLaVA's Phi classes have a head without bias, whatever the base model stored.
  const bias = !/llava.*_phi$/.test(c.string('model_type', ''));
  const act = c.string('hidden_act', 'gelu_new');
  if (act !== 'gelu_new') throw new UnsupportedError(`${c.where}: hidden_act: got ${act}, expected gelu_new`);
  if (c.bool('qk_layernorm', false)) throw new UnsupportedError(`${c.where}: qk_layernorm: got true, expected false`);
  return {
    ...shape,
    family: 'phi2',
    embedding: (w) => w.matrix('model.embed_tokens.weight', [vocabulary, hidden]),
    layer(g, root, site) {
      const w = root.at('model.layers').at(site.index);
      const { x } = site.stream;
      const h = ln(g, w.at('input_layernorm'), x, eps);
      return feedForward(g, w.at('mlp'), this, site, h, selfAttention(g, w.at('self_attn'), shape, site, { output: 'dense' }, h, x));
    },
    ffn: (g, w, h, residual) => affine(g, w.at('fc2'), g.add(geluTanh, [affine(g, w.at('fc1'), h, intermediate)], {}), hidden, residual),
    norm: (g, w, x) => ln(g, w.at('model.final_layernorm'), x, eps),
    head(g, w, x) {
      return lmHead(g, w, this, x, { tied, bias });
    },
  };
}
