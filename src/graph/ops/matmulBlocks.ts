import { OP_MATMUL_BLOCKS } from '../../../assembly/opcodes.ts';
import { type MatmulParams, matmulOp } from '../matmul.ts';
import type { Op } from '../op.ts';
import { isBlockType } from '../tensor.ts';

/** `x Wᵀ (+ bias) (+ residual)`: x q8 or (super-blocks) q8-256 [rows, k], W of one of GGUF's block types [n, k] -> f32 [rows, n]. Integer sums per scale. */
export const matmulBlocks: Op<MatmulParams> = matmulOp('matmulBlocks', OP_MATMUL_BLOCKS, isBlockType);
