import { OP_GELU_TANH_MUL } from '../../../assembly/opcodes.ts';
import { gated } from '../families/elementwise.ts';
import type { Op } from '../op.ts';

/** `geluTanh(gate) * up`: gate, up f32 [rows, cols], also column windows of one matrix (GEGLU, Shazeer 2020). */
export const geluTanhMul: Op = gated('geluTanhMul', OP_GELU_TANH_MUL, 14);
