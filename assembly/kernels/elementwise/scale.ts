// scale: out = in0 * P1
//
//   in0, out  f32 [rows, cols]   parameters: families/unary.ts
//   P1        f32                factor

import { unary } from '../../families/unary.ts';
import { P1 } from '../../program.ts';

class Scaled {
  prepare(op: usize, e: usize): void {
    v128.store(e, v128.load_splat<f32>(op, P1));
  }
  of(x: v128, e: usize): v128 {
    return f32x4.mul(x, v128.load(e));
  }
}

export function scale(op: usize, thread: i32, threads: i32): void {
  unary<Scaled>(op, thread, threads);
}
