// selectRows: out0 = the rows that are no candidates, and the chosen candidates; out1 = the others; both ascending
//
//   in0   f32 [n, P1]       scores s of candidates; n: cell at ROWS; rows lie P0 elements apart; P1 is 1 or 2
//   in1   i32 [n, 1]        the candidates' row numbers, ascending; P2 = 0: candidate i is row P3 + i, in1 is not read
//   out0  i32 [kept, 1]     kept: the cell P7, written here (0: nobody asks)
//   out1  i32 [rows - n .., 1]
//   P4 rows: cell; P5 one of modes.ts; P6 k: cell; P8 cell: the last row is named so many times more
//
// Equal scores: the earlier row first. The last thread works alone: it counts a few hundred numbers 32 times.

import { atLeast, kth, orderOf } from '../../families/order.ts';
import { IN0, IN1, OUT, OUT1, P0, P1, P2, P3, P4, P5, P6, P7, P8, ROWS, SCRATCH } from '../../program.ts';
import { AS_MANY, BEST, LARGER } from './modes.ts';

export function selectRows(op: usize, thread: i32, threads: i32): void {
  if (thread != threads - 1) return;
  const n = load<i32>(load<usize>(op, ROWS)),
    rows = load<i32>(load<usize>(op, P4)),
    mode = load<i32>(op, P5);
  const keys = load<usize>(op, SCRATCH);
  const larger = rankKeys(op, n, keys);
  const k = mode == BEST ? load<i32>(load<usize>(op, P6)) : mode == AS_MANY ? larger : n;
  const bound: u32 = mode == LARGER ? 0 : kth(keys, n, k);
  // Candidates above the bound are in; of those equal to it, as many as are left over.
  let equal = mode == LARGER ? 0 : k - above(keys, n, bound);

  const index = load<usize>(op, IN1),
    listed = load<i32>(op, P2),
    from = load<i32>(op, P3);
  let kept = load<usize>(op, OUT),
    dropped = load<usize>(op, OUT1);
  const first = kept;
  let i = 0;
  for (let r = 0; r < rows; r++) {
    let keep = true;
    if (i < n && r == (listed ? load<i32>(index + ((<usize>i) << 2)) : from + i)) {
      const key = load<u32>(keys + ((<usize>i) << 2));
      i++;
      keep = key > bound;
      if (!keep && key == bound && equal > 0) {
        keep = true;
        equal--;
      }
    }
    if (keep) {
      store<i32>(kept, r);
      kept += 4;
    } else {
      store<i32>(dropped, r);
      dropped += 4;
    }
  }
  for (let again = load<i32>(load<usize>(op, P8)); again > 0; again--) {
    store<i32>(kept, rows - 1);
    kept += 4;
  }
  const count = load<usize>(op, P7);
  if (count != 0) store<i32>(count, <i32>((kept - first) >> 2));
}

/** One number per candidate that orders as its score does (LARGER: 1 or 0). Returns how many have s0 > s1. */
function rankKeys(op: usize, n: i32, keys: usize): i32 {
  const scores = load<usize>(op, IN0),
    stride = (<usize>load<i32>(op, P0)) << 2;
  const two = load<i32>(op, P1) == 2,
    mode = load<i32>(op, P5);
  let larger = 0;
  for (let i = 0; i < n; i++) {
    const s = scores + <usize>i * stride;
    const s0 = load<f32>(s),
      s1: f32 = two ? load<f32>(s, 4) : 0;
    const yes = s0 > s1 ? 1 : 0;
    larger += yes;
    const order = orderOf(mode == BEST ? s0 - s1 : s0);
    store<u32>(keys + ((<usize>i) << 2), mode == LARGER ? yes : order);
  }
  return larger;
}

/** How many keys are larger. */
function above(keys: usize, n: i32, bound: u32): i32 {
  return bound == 0xffffffff ? 0 : atLeast(keys, n, bound + 1);
}
