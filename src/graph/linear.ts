// A linear layer, whatever its weight is stored as.

import { ShapeError } from '../errors.ts';
import type { Graph } from './graph.ts';
import { activationOf, type MatmulParams } from './matmul.ts';
import type { Op } from './op.ts';
import { matmulBlocks } from './ops/matmulBlocks.ts';
import { matmulF16 } from './ops/matmulF16.ts';
import { matmulF32 } from './ops/matmulF32.ts';
import { matmulQ4 } from './ops/matmulQ4.ts';
import { matmulQ8 } from './ops/matmulQ8.ts';
import { quantizeRows } from './ops/quantizeRows.ts';
import { isPacked } from './packed.ts';
import { isBlockType, type PackedType, show, type Tensor } from './tensor.ts';

const OPS: Partial<Record<PackedType, Op<MatmulParams>>> = {
  'packed-f32': matmulF32,
  'packed-f16': matmulF16,
  'packed-bf16': matmulF16,
  'packed-q8': matmulQ8,
  'packed-q4': matmulQ4,
};

/** The matmul of a weight. */
export const matmulFor = (weight: PackedType): Op<MatmulParams> => (isBlockType(weight) ? matmulBlocks : (OPS[weight] ?? matmulF32));

/** Activations in the form that a weight is multiplied with; quantized once for all weights that read them. */
export function activated(g: Graph, x: Tensor, weight: PackedType): Tensor {
  const form = activationOf(weight);
  return form === 'f32' ? x : g.once(quantizeRows, [x], { per: form === 'q8' ? 32 : 256 });
}

/** `x Wᵀ (+ bias) (+ residual)`: x f32 [..., k], w packed [n, k], bias f32 [n], residual f32 [..., n] -> f32 [..., n]. Activations are quantized once for all weights that read them. */
export function linear(g: Graph, x: Tensor, w: Tensor, options: { bias?: Tensor | undefined; residual?: Tensor | undefined } = {}): Tensor {
  const { bias, residual } = options;
  if (!isPacked(w.dtype)) throw new ShapeError(`linear: needs a packed weight: got ${show(w)}`);
  const inputs = [activated(g, x, w.dtype), w];
  if (bias) inputs.push(bias);
  if (residual) inputs.push(residual);
  return g.add(matmulFor(w.dtype), inputs, { bias: bias !== undefined, residual: residual !== undefined });
}
