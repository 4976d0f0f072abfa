import { OP_MATMUL_F32 } from '../../../assembly/opcodes.ts';
import { type MatmulParams, matmulOp } from '../matmul.ts';
import type { Op } from '../op.ts';

/** `x Wᵀ (+ bias) (+ residual)`: x f32 [rows, k], W packed-f32 [n, k] -> f32 [rows, n]. */
export const matmulF32: Op<MatmulParams> = matmulOp('matmulF32', OP_MATMUL_F32, (t) => t === 'packed-f32');
