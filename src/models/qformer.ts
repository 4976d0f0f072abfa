// Q-Former (BLIP-2; Li et al. 2023): learned queries that read a picture's rows, layer by layer like BERT.
//
//   picture  f32 [rows, from]
//   result   f32 [queries, width]
//
//   z = LN(query_tokens)
//   z = LN(z + attention(z, z));  every layer that has it: z = LN(z + attention(z, picture));  z = LN(z + W2 gelu(W1 z))

import { FormatError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { gelu } from '../graph/ops/gelu.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { affine, ln, wholeAttention } from './block.ts';

/** Elements of a head in BERT. */
const HEAD = 64;
const EPS = 1e-12;

export interface QFormer {
  readonly queries: number;
  readonly width: number;
  readonly heads: number;
}

/** Sizes of the Q-Former whose queries are `query_tokens` below `w`. `heads`: where the config names them; default: heads of 64 elements. */
export function qFormerSizes(w: Weights, heads?: number): QFormer {
  const [queries = 0, width = 0] = w.shape('query_tokens')?.slice(-2) ?? [];
  const count = heads ?? width / HEAD;
  if (!queries || !Number.isInteger(count) || width % count)
    throw new FormatError(
      'structure',
      `${w.prefix || 'Q-Former'}: query_tokens: got [${queries}, ${width}], expected queries of heads of ${HEAD}`,
    );
  return { queries, width, heads: count };
}

/** The queries after all layers. `w` stands at `query_tokens` and `Qformer`. */
export function qFormer(g: Graph, w: Weights, c: QFormer, picture: Tensor): Tensor {
  const bert = w.at('Qformer.bert');
  let z = ln(g, bert.at('embeddings.LayerNorm'), w.plain('query_tokens', [c.queries, c.width]), EPS);
  for (let i = 0; bert.has(`encoder.layer.${i}.attention.self.query.weight`); i++) {
    const layer = bert.at('encoder.layer').at(i);
    z = g.section(`Q-Former layer ${i}`, () => qFormerLayer(g, layer, c, z, picture));
  }
  return z;
}

function qFormerLayer(g: Graph, w: Weights, c: QFormer, z: Tensor, picture: Tensor): Tensor {
  const { width, heads } = c;
  const attend = (at: Weights, x: Tensor, seen: Tensor) => {
    const self = at.at('self');
    const [q, k, v] = (
      [
        ['query', x],
        ['key', seen],
        ['value', seen],
      ] as const
    ).map(([name, from]) => affine(g, self.at(name), from, width)) as [Tensor, Tensor, Tensor];
    const output = at.at('output');
    return settle(output, wholeAttention(g, q, k, v, heads, output.matrix('dense.weight', [width, width])), x);
  };
  const settle = (at: Weights, x: Tensor, residual: Tensor) =>
    ln(g, at.at('LayerNorm'), affine(g, at.at('dense'), x, width, residual), EPS);

  let y = attend(w.at('attention'), z, z);
  if (w.has('crossattention.self.query.weight')) y = attend(w.at('crossattention'), y, picture);
  const up = w.at('intermediate_query.dense');
  const wide = up.shape('weight')?.[0] ?? 4 * width;
  return settle(w.at('output_query'), g.add(gelu, [affine(g, up, y, wide)], {}), y);
}
