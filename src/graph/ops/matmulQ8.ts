import { OP_MATMUL_Q8 } from '../../../assembly/opcodes.ts';
import { type MatmulParams, matmulOp } from '../matmul.ts';
import type { Op } from '../op.ts';

/** `x Wᵀ (+ bias) (+ residual)`: x q8 [rows, k], W packed-q8 [n, k] -> f32 [rows, n]. Integer sums per 32. */
export const matmulQ8: Op<MatmulParams> = matmulOp('matmulQ8', OP_MATMUL_Q8, (t) => t === 'packed-q8');
