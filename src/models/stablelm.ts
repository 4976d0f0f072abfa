// StableLM 2 (Bellagente et al. 2024): LLaMA's layer with LayerNorms; a quarter of each head turns.
//
//   h = ln(x),  y = x + attention(h)
//   x <- y + ffn(ln(y))      1.6B
//   x <- y + ffn(h)          12B: no second norm, and q and k are normalised per head before rope

import { UnsupportedError } from '../errors.ts';
import { layerNorm } from '../graph/ops/layerNorm.ts';
import type { Backbone, Shape } from './backbone.ts';
import { feedForward, lmHead, ln, type SelfAttention, selfAttention, swiGlu } from './block.ts';
import type { Config } from './config.ts';
import { sizes } from './llama.ts';
import { rotaryConfig, rotaryDims } from './rotary.ts';

export function stablelm(c: Config): Backbone {
  const common = sizes(c);
  const { dim, vocabulary, hidden } = common;
  const rotary = rotaryConfig(c, rotaryDims(c.number('partial_rotary_factor', c.number('rope_pct', 0.25)), dim));
  const shape: Shape = { ...common, rotary, window: undefined };
  const intermediate = c.size('intermediate_size', 5632);
  const eps = c.number('layer_norm_eps', c.number('norm_eps', 1e-5));
  const tied = c.bool('tie_word_embeddings', false);
  const act = c.string('hidden_act', 'silu');
  if (act !== 'silu') throw new UnsupportedError(`${c.where}: hidden_act: got ${act}, expected silu`);

  const attention: SelfAttention = {
    output: 'o_proj',
    normalize(g, w, which, x, heads) {
      const at = w.at(`${which}_layernorm`);
      const perHead = at.has('norms.0.weight');
      if (!perHead && !at.has('weight')) return x;
      const names = perHead ? Array.from({ length: heads }, (_, h) => `norms.${h}.weight`) : ['weight'];
      return g.add(layerNorm, [x, at.plain(names, [heads * dim])], { eps, groups: heads });
    },
  };
  return {
    ...shape,
    family: 'stablelm',
    embedding: (w) => w.matrix('model.embed_tokens.weight', [vocabulary, hidden]),
    layer(g, root, site) {
      const w = root.at('model.layers').at(site.index);
      const { x } = site.stream;
      const h = ln(g, w.at('input_layernorm'), x, eps);
      const y = selfAttention(g, w.at('self_attn'), shape, site, attention, h, x);
      const second = w.at('post_attention_layernorm');
      return feedForward(g, w.at('mlp'), this, site, second.has('weight') ? ln(g, second, y, eps) : h, y);
    },
    ffn: (g, w, h, residual) => swiGlu(g, w, intermediate, h, residual),
    norm: (g, w, x) => ln(g, w.at('model.norm'), x, eps),
    head(g, w, x) {
      return lmHead(g, w, this, x, { tied });
    },
  };
}
