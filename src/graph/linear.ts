// A linear layer, whatever its weight is stored as.

import { ShapeError } from '../errors.ts';
import type { Graph } from './graph.ts';
import type { MatmulParams } from './matmul.ts';
import type { Op } from './op.ts';
import { matmulF16 } from './ops/matmulF16.ts';
import { matmulF32 } from './ops/matmulF32.ts';
import { matmulQ4 } from './ops/matmulQ4.ts';
import { matmulQ8 } from './ops/matmulQ8.ts';
import { quantizeRows } from './ops/quantizeRows.ts';
import { type DType, show, type Tensor } from './tensor.ts';

const OPS: Partial<Record<DType, { op: Op<MatmulParams>; quantized: boolean }>> = {
  'packed-f32': { op: matmulF32, quantized: false },
  'packed-f16': { op: matmulF16, quantized: false },
  'packed-q8': { op: matmulQ8, quantized: true },
  'packed-q4': { op: matmulQ4, quantized: true },
};

/** `x Wᵀ (+ bias) (+ residual)`: x f32 [..., k], w packed [n, k], bias f32 [n], residual f32 [..., n] -> f32 [..., n]. Activations are quantized once for all weights that read them. */
export function linear(g: Graph, x: Tensor, w: Tensor, options: { bias?: Tensor | undefined; residual?: Tensor | undefined } = {}): Tensor {
  const { bias, residual } = options;
  const how = OPS[w.dtype];
  if (!how) throw new ShapeError(`linear: needs a packed weight: got ${show(w)}`);
  const inputs = [how.quantized ? g.once(quantizeRows, [x]) : x, w];
  if (bias) inputs.push(bias);
  if (residual) inputs.push(residual);
  return g.add(how.op, inputs, { bias: bias !== undefined, residual: residual !== undefined });
}
