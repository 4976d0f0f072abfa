import { OP_GELU_QUICK } from '../../../assembly/opcodes.ts';
import { unary } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `x * sigmoid(1.702 x)`, `quick_gelu` of CLIP: x f32 [rows, cols]. */
export const geluQuick: Op = unary('geluQuick', OP_GELU_QUICK, 11);
