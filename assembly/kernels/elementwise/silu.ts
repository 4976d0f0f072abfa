// silu: out = in0 * sigmoid(in0)
//
//   in0, out  f32 [rows, cols]   parameters: families/unary.ts

import { Silu } from '../../families/activation.ts';
import { unary } from '../../families/unary.ts';

export function silu(op: usize, thread: i32, threads: i32): void {
  unary<Silu>(op, thread, threads);
}
