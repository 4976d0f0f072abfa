// geluTanhMul: out = geluTanh(in0) * in1
//
//   in0, in1, out  f32 [rows, cols]   parameters: families/gated.ts

import { GeluTanh } from '../../families/activation.ts';
import { gated } from '../../families/gated.ts';

export function geluTanhMul(op: usize, thread: i32, threads: i32): void {
  gated<GeluTanh>(op, thread, threads);
}
