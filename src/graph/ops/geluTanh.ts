import { OP_GELU_TANH } from '../../../assembly/opcodes.ts';
import { unary } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `x / 2 * (1 + tanh(√(2/π) * (x + 0.044715 x³)))`, also `gelu_new`, `gelu_pytorch_tanh`: x f32 [rows, cols]. */
export const geluTanh: Op = unary('geluTanh', OP_GELU_TANH, 14);
