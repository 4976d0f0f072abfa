import { OP_MUL } from '../../../assembly/opcodes.ts';
import { binary } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `x * y`: x f32 [rows, cols], y of the same shape or one row [cols] for all rows. */
export const mul: Op = binary('mul', OP_MUL);
