// add: out = in0 + in1
//
//   in0, in1, out  f32 [rows, cols]   in1 may be one row for all; parameters: families/binary.ts

import { binary } from '../../families/binary.ts';

class Sum {
  of(x: v128, y: v128): v128 {
    return f32x4.add(x, y);
  }
}

export function add(op: usize, thread: i32, threads: i32): void {
  binary<Sum>(op, thread, threads);
}
