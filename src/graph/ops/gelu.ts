import { OP_GELU } from '../../../assembly/opcodes.ts';
import { unary } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `x / 2 * (1 + erf(x / √2))`, the exact GELU: x f32 [rows, cols] (Hendrycks & Gimpel 2016). */
export const gelu: Op = unary('gelu', OP_GELU, 20);
