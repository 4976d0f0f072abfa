// mul: out = in0 * in1
//
//   in0, in1, out  f32 [rows, cols]   in1 may be one row for all; parameters: families/binary.ts

import { binary } from '../../families/binary.ts';

class Product {
  of(x: v128, y: v128): v128 {
    return f32x4.mul(x, y);
  }
}

export function mul(op: usize, thread: i32, threads: i32): void {
  binary<Product>(op, thread, threads);
}
