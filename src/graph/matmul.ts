// What the ops of the matmul family share: y = x Wᵀ (+ bias) (+ residual), W [n, k] packed in groups of 8 rows.

import { COLS, P0, P1, P2, P3, P4, ROWS } from '../../assembly/program.ts';
import { ShapeError } from '../errors.ts';
import type { Op } from './op.ts';
import { PACKED } from './packed.ts';
import {
  byteSize,
  colsOf,
  type DType,
  isBlockType,
  maxOf,
  maxSize,
  PACKED_BLOCKS,
  type PackedType,
  rowsOf,
  show,
  showShape,
  type Tensor,
} from './tensor.ts';

/** Inputs are [x, w, bias?, residual?]: the parameters say which of the last two are there. */
export interface MatmulParams {
  readonly bias: boolean;
  readonly residual: boolean;
}

/** Rows of a weight matrix: the outputs of a linear layer. */
const outputsOf = (w: Tensor): number => maxSize(w.shape) / colsOf(w.shape);

/** Columns come in whole blocks of so many. */
const blockOf = (w: PackedType): number => (isBlockType(w) ? PACKED_BLOCKS[w].cols : w === 'packed-q8' || w === 'packed-q4' ? 32 : 1);

/** The form of activations that multiplies a weight. */
export function activationOf(weight: PackedType): 'f32' | 'q8' | 'q8-256' {
  if (blockOf(weight) === 256) return 'q8-256';
  return blockOf(weight) === 32 ? 'q8' : 'f32';
}

/** An op for the weights of which `takes` is true. */
export function matmulOp<W extends PackedType>(name: string, opcode: number, takes: (dtype: DType) => dtype is W): Op<MatmulParams> {
  const optional = (inputs: readonly Tensor[], p: MatmulParams): { bias?: Tensor; residual?: Tensor } => {
    const rest = inputs.slice(2);
    const bias = p.bias ? rest.shift() : undefined;
    const residual = p.residual ? rest.shift() : undefined;
    return { ...(bias && { bias }), ...(residual && { residual }) };
  };

  return {
    name,
    opcode,

    outputs(inputs, params) {
      const [x, w] = inputs as [Tensor, Tensor];
      const { bias, residual } = optional(inputs, params);
      const weight = w.dtype;
      if (!takes(weight)) throw new ShapeError(`${name}: has no kernel for the weight: got ${show(w)}`);
      const activation = activationOf(weight);
      if (x.dtype !== activation) throw new ShapeError(`${name}: a ${weight} weight needs ${activation} activations: got ${show(x)}`);
      const k = colsOf(w.shape);
      if (colsOf(x.shape) !== k) throw new ShapeError(`${name}: inner sizes differ: got ${show(x)} and ${show(w)}`);
      if (k % blockOf(weight) !== 0) {
        throw new ShapeError(`${name}: columns of a quantized weight come in blocks of ${blockOf(weight)}: got ${show(w)}`);
      }
      const n = outputsOf(w);
      if (bias && (bias.dtype !== 'f32' || maxSize(bias.shape) !== n)) {
        throw new ShapeError(`${name}: bias must have one f32 per output: got ${show(bias)} for ${show(w)}`);
      }
      const shape = [...x.shape.slice(0, -1), n];
      if (residual && (residual.dtype !== 'f32' || residual.stride !== n || !sameRows(residual, shape))) {
        throw new ShapeError(
          `${name}: residual must have the shape of the result: got ${show(residual)}, expected f32[${showShape(shape)}]`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },

    cost(inputs, params, size) {
      const [x, w] = inputs as [Tensor, Tensor];
      const rows = size(rowsOf(x.shape));
      const n = outputsOf(w);
      const perRow = byteSize(x.dtype, [1, colsOf(x.shape)]) + 4 * n * (params.residual ? 2 : 1);
      // An expert without rows reads nothing.
      return { macs: rows * n * colsOf(x.shape), bytes: rows * perRow + (rows ? byteSize(w.dtype, w.shape) : 0) };
    },

    encode(r, inputs, params) {
      const [x, w] = inputs as [Tensor, Tensor];
      const { bias, residual } = optional(inputs, params);
      r.dim(ROWS, rowsOf(x.shape));
      r.int(COLS, colsOf(x.shape));
      r.int(P0, outputsOf(w));
      r.int(P1, x.stride * 4);
      if (takes(w.dtype)) r.int(P4, PACKED[w.dtype]);
      if (bias) r.address(P2, bias);
      if (residual) r.address(P3, residual);
    },

    // Constants, a panel of unpacked weights and their mins, then two sums of 8 outputs for all rows.
    scratch: ([x]) => 336 + 616 * 32 + 32 * 32 + 64 * (8 + maxOf(rowsOf(x!.shape))),
  };
}

const sameRows = (t: Tensor, shape: Tensor['shape']): boolean => rowsOf(t.shape) === rowsOf(shape) && colsOf(t.shape) === colsOf(shape);
