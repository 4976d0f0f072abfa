import { OP_SILU } from '../../../assembly/opcodes.ts';
import { unary } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `x * sigmoid(x)`: x f32 [rows, cols] (Elfwing et al. 2017). */
export const silu: Op = unary('silu', OP_SILU, 10);
