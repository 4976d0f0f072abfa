// The walk over a program. Every thread calls run() with the same records; a kernel takes its own share of the rows.

import { barrier } from './barrier.ts';
import * as op from './opcodes.ts';
import { BARRIER, FLAGS, OPCODE, RECORD_BYTES } from './program.ts';
import { normalizePixels } from './kernels/image/normalizePixels.ts';
import { resizeHorizontal } from './kernels/image/resizeHorizontal.ts';
import { resizeVertical } from './kernels/image/resizeVertical.ts';
import { rmsNorm } from './kernels/norm/rmsNorm.ts';

/** Runs `count` records as thread `thread` of `threads`. Returns the number of records run: fewer than `count` when the host asked to stop. */
export function run(program: usize, count: i32, thread: i32, threads: i32): i32 {
  for (let i = 0; i < count; i++) {
    const record = program + <usize>i * RECORD_BYTES;
    switch (load<i32>(record, OPCODE)) {
      case op.OP_RMS_NORM: rmsNorm(record, thread, threads); break;
      case op.OP_RESIZE_HORIZONTAL: resizeHorizontal(record, thread, threads); break;
      case op.OP_RESIZE_VERTICAL: resizeVertical(record, thread, threads); break;
      case op.OP_NORMALIZE_PIXELS: normalizePixels(record, thread, threads); break;
      default: unreachable();
    }
    if (threads > 1 && (load<i32>(record, FLAGS) & BARRIER) != 0) {
      if (!barrier(threads)) return i + 1;
    }
  }
  return count;
}
