import { OP_SILU_MUL } from '../../../assembly/opcodes.ts';
import { gated } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `silu(gate) * up`: gate, up f32 [rows, cols], also column windows of one matrix (SwiGLU, Shazeer 2020). */
export const siluMul: Op = gated('siluMul', OP_SILU_MUL, 10);
