// siluMul: out = in0 * sigmoid(in0) * in1
//
//   in0, in1, out  f32 [rows, cols]   parameters: families/gated.ts

import { Silu } from '../../families/activation.ts';
import { gated } from '../../families/gated.ts';

export function siluMul(op: usize, thread: i32, threads: i32): void {
  gated<Silu>(op, thread, threads);
}
