// geluQuick: out = in0 * sigmoid(1.702 * in0)
//
//   in0, out  f32 [rows, cols]   parameters: families/unary.ts

import { GeluQuick } from '../../families/activation.ts';
import { unary } from '../../families/unary.ts';

export function geluQuick(op: usize, thread: i32, threads: i32): void {
  unary<GeluQuick>(op, thread, threads);
}
