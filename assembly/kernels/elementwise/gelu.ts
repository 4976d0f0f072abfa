// gelu: out = in0 / 2 * (1 + erf(in0 / sqrt(2)))
//
//   in0, out  f32 [rows, cols]   parameters: families/unary.ts

import { Gelu } from '../../families/activation.ts';
import { unary } from '../../families/unary.ts';

export function gelu(op: usize, thread: i32, threads: i32): void {
  unary<Gelu>(op, thread, threads);
}
