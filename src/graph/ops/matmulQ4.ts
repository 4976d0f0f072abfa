import { OP_MATMUL_Q4 } from '../../../assembly/opcodes.ts';
import { type MatmulParams, matmulOp } from '../matmul.ts';
import type { Op } from '../op.ts';

/** `x Wᵀ (+ bias) (+ residual)`: x q8 [rows, k], W packed-q4 [n, k] -> f32 [rows, n]. Integer sums per 32. */
export const matmulQ4: Op<MatmulParams> = matmulOp('matmulQ4', OP_MATMUL_Q4, (t) => t === 'packed-q4');
