// embed: out[r] = ids[r] < 0 ? hidden[r] : row ids[r] of the table
//
//   in0       i32 [rows, 1]        ids; rows: cell
//   in1       packed-* [V, cols]   table, the layouts of the matmuls' weights
//   in2, out  f32 [rows, cols]     hidden; out may be in2
//   P0, P1                         packed layout (storage.ts), V
//
// The host checks the ids: one that is V or more reads row 0. Rows are split over threads.

import { blockAt } from '../../families/blocks.ts';
import { half, halfOf } from '../../families/constants.ts';
import { embedBlocks } from '../../families/embedBlocks.ts';
import { Q4_GROUP, Q8_GROUP } from '../../families/layouts.ts';
import { COLS, IN0, IN1, IN2, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { PACKED_BF16, PACKED_F16, PACKED_F32, PACKED_Q4, PACKED_Q8 } from '../../storage.ts';

export function embed(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS));
  const cols = <usize>load<i32>(op, COLS);
  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const y = load<usize>(op, OUT) + ((<usize>r * cols) << 2);
    let id = load<i32>(load<usize>(op, IN0) + ((<usize>r) << 2));
    if (id < 0) {
      memory.copy(y, load<usize>(op, IN2) + ((<usize>r * cols) << 2), cols << 2);
      continue;
    }
    if (id >= load<i32>(op, P1)) id = 0;
    const table = load<usize>(op, IN1);
    const group = <usize>id >> 3,
      lane = <usize>id & 7;
    switch (load<i32>(op, P0)) {
      case PACKED_F32:
        rowF32(table + group * cols * 32 + (lane << 2), y, cols);
        break;
      case PACKED_F16:
        rowF16(table + group * cols * 16 + halfOf(lane), y, cols);
        break;
      case PACKED_BF16:
        rowBf16(table + group * cols * 16 + halfOf(lane), y, cols);
        break;
      case PACKED_Q8:
        rowQ8(table + group * (cols >> 5) * Q8_GROUP, lane, y, cols);
        break;
      case PACKED_Q4:
        rowQ4(table + group * (cols >> 5) * Q4_GROUP, lane, y, cols);
        break;
      default:
        embedBlocks(load<i32>(op, P0), table + blockAt(load<i32>(op, P0), (group * cols) >> 5), lane, y, cols);
        break;
    }
  }
}

function rowF32(w: usize, y: usize, cols: usize): void {
  for (let k: usize = 0; k < cols; k++) store<f32>(y + (k << 2), load<f32>(w + (k << 5)));
}

function rowF16(w: usize, y: usize, cols: usize): void {
  for (let k: usize = 0; k < cols; k++) store<f32>(y + (k << 2), half(load<i16>(w + (k << 4))));
}

function rowBf16(w: usize, y: usize, cols: usize): void {
  for (let k: usize = 0; k < cols; k++) store<u32>(y + (k << 2), (<u32>load<u16>(w + (k << 4))) << 16);
}

function rowQ8(w: usize, lane: usize, y: usize, cols: usize): void {
  for (const end = y + (cols << 2); y < end; y += 128, w += Q8_GROUP) {
    const d = half(load<i16>(w + halfOf(lane)));
    const from = w + (lane << 2);
    for (let i: usize = 0; i < 32; i++) {
      store<f32>(y + (i << 2), <f32>(<i32>load<u8>(from + ((i >> 2) << 5) + (i & 3), 16) - 128) * d);
    }
  }
}

function rowQ4(w: usize, lane: usize, y: usize, cols: usize): void {
  for (const end = y + (cols << 2); y < end; y += 128, w += Q4_GROUP) {
    const d = half(load<i16>(w + halfOf(lane)));
    const from = w + (lane << 2);
    for (let i: usize = 0; i < 16; i++) {
      const b = <i32>load<u8>(from + ((i >> 2) << 5) + (i & 3), 16);
      store<f32>(y + (i << 2), <f32>((b & 15) - 8) * d);
      store<f32>(y + (i << 2), <f32>((b >> 4) - 8) * d, 64);
    }
  }
}
