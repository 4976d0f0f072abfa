import { OP_MATMUL_F16 } from '../../../assembly/opcodes.ts';
import { type MatmulParams, matmulOp } from '../matmul.ts';
import type { Op } from '../op.ts';

/** `x Wᵀ (+ bias) (+ residual)`: x f32 [rows, k], W packed-f16 or packed-bf16 [n, k] -> f32 [rows, n]. Sums in f32. */
export const matmulF16: Op<MatmulParams> = matmulOp('matmulF16', OP_MATMUL_F16, (t) => t === 'packed-f16' || t === 'packed-bf16');
