// The walk over programs that write weights in few bits: a wasm of its own, since models that only run need none of it.

import { meet } from './barrier.ts';
import { quantizeBlocks } from './kernels/convert/quantizeBlocks.ts';
import * as op from './opcodes.ts';
import { OPCODE, RECORD_BYTES } from './program.ts';

/** As run() of index.ts. */
export function run(program: usize, count: i32, thread: i32, threads: i32): i32 {
  for (let i = 0; i < count; i++) {
    const record = program + <usize>i * RECORD_BYTES;
    switch (load<i32>(record, OPCODE)) {
      case op.OP_QUANTIZE_BLOCKS:
        quantizeBlocks(record, thread, threads);
        break;
      default:
        unreachable();
    }
    if (!meet(record, threads)) return i + 1;
  }
  return count;
}
