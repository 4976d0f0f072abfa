// Share-Captioner (Chen et al. 2023), an InternLM-XComposer: EVA ViT-g, a norm, a Q-Former and a linear layer before InternLM.
//
//   result   f32 [queries + 2, hidden]   begin-of-picture, the queries, end-of-picture

import type { Graph } from '../graph/graph.ts';
import { concatRows } from '../graph/ops/concatRows.ts';
import type { Tensor } from '../graph/tensor.ts';
import { Weights } from '../graph/weights.ts';
import { affine, ln } from './block.ts';
import { openDecoder, openTower, singleTile, tileSettings } from './llava15.ts';
import type { ModelDefinition } from './model.ts';
import { qFormer, qFormerSizes } from './qformer.ts';

export const shareCaptioner: ModelDefinition = {
  name: 'share-captioner',
  open(checkpoint, options) {
    const weights = Weights.over(checkpoint.files, options);
    const decoder = openDecoder(weights, checkpoint.config, options);
    const { vision, config } = checkpoint;
    const hidden = config.size('hidden_size', 4096);
    const sizes = qFormerSizes(weights, config.has('qformer_heads') ? config.size('qformer_heads') : undefined);
    const project = (g: Graph, features: Tensor): Tensor => {
      const picture = g.tap('ln_vision', ln(g, weights.at('ln_vision'), g.tap('vit_output', features), 1e-5));
      const queries = g.tap('qformer_output', qFormer(g, weights, sizes, picture));
      const flag = (name: string) => weights.plain(`flag_image_${name}`, [1, hidden]);
      const tokens = affine(g, weights.at('internlm_proj'), queries, hidden);
      return g.add(concatRows, [g.add(concatRows, [flag('start'), tokens], {}), flag('end')], {});
    };
    return {
      name: 'share-captioner',
      weights: [weights],
      needsAllRows: 'its Q-Former has been trained on all rows',
      decoder,
      ...(vision && {
        encoder: singleTile(openTower(weights, checkpoint, { name: 'share-captioner tower', project }), tileSettings(checkpoint, options)),
      }),
    };
  },
};
