// geluTanh: out = in0 / 2 * (1 + tanh(sqrt(2 / pi) * (in0 + 0.044715 * in0^3)))
//
//   in0, out  f32 [rows, cols]   parameters: families/unary.ts

import { GeluTanh } from '../../families/activation.ts';
import { unary } from '../../families/unary.ts';

export function geluTanh(op: usize, thread: i32, threads: i32): void {
  unary<GeluTanh>(op, thread, threads);
}
