// route: which rows go to which expert, and with which weight (GShard's gate as DeepSpeed evaluates it; Lepikhin et al. 2020)
//
//   first choice  argmax g;  choice j > 0  argmax over the rest of (logits + noise)
//   capacity C    max(ceil(S / experts * factor), least) in f32;  S: rows of the whole sequence, factor: k times the configured one
//   slots         all first choices in order of the rows, then all second ones, ...: the n-th choice of an expert has slot n; from slot C on it is dropped
//   weights       k = 1: g of the chosen;  k > 1: g of the kept choices over their sum
//
//   in0   f32 [rows, experts]       logits                                       rows: cell
//   in1   f32 [rows, experts]       g, their softmax
//   in2   f32 [rows, experts]       noise; address 0: none. With k = 1 an expert that overflows keeps its C rows of the largest noise; without noise the first C
//   out   i32 [experts, P4]         rows of each expert in order of their slots; only the kept ones are written
//   out1  f32 [rows, experts]       weights, 0 where the expert is not chosen or the choice is dropped
//   out2  i32 [rows, 2k]            the chosen experts, then their slots; -1: dropped, or a row of NaN
//   out3  i32 [1, 1 + experts]      C, then the rows that each expert gets
//   COLS experts, P0 k, P1 S (cell), P2 factor (f32), P3 least capacity, P4 room of a list; P6 + e: the cell that gets the rows of expert e
//
// Slots are counted one row after the other: the first thread does it alone.

import { COLS, IN0, IN1, IN2, OUT, OUT1, OUT2, OUT3, P0, P1, P2, P3, P4, P6, ROWS } from '../../program.ts';

const SMALLEST_SUM: f32 = 1.1920929e-7;

export function route(op: usize, thread: i32, threads: i32): void {
  if (thread !== 0) return;
  const rows = load<i32>(load<usize>(op, ROWS));
  const experts = load<i32>(op, COLS),
    k = load<i32>(op, P0);
  const choice = load<usize>(op, OUT2),
    loads = load<usize>(op, OUT3);

  const share: f32 = <f32>load<i32>(load<usize>(op, P1)) / <f32>experts;
  const capacity = max(<i32>ceil<f32>(share * load<f32>(op, P2)), load<i32>(op, P3));
  store<i32>(loads, capacity);
  const counts = loads + 4;
  memory.fill(counts, 0, (<usize>experts) << 2);

  for (let r = 0; r < rows; r++) choose(op, r, experts, k);
  const noise = load<usize>(op, IN2);
  for (let j = 0; j < k; j++) {
    for (let r = 0; r < rows; r++) {
      const at = choice + ((<usize>(2 * k * r + j)) << 2);
      const e = load<i32>(at);
      let slot = -1;
      if (e >= 0 && !(k === 1 && noise !== 0 && beaten(choice, noise, rows, experts, r, e, capacity))) {
        const count = counts + ((<usize>e) << 2);
        slot = load<i32>(count);
        store<i32>(count, slot + 1);
      }
      store<i32>(at + ((<usize>k) << 2), slot < capacity ? slot : -1);
    }
  }
  for (let e = 0; e < experts; e++) {
    const count = counts + ((<usize>e) << 2);
    const kept = min(load<i32>(count), capacity);
    store<i32>(count, kept);
    store<i32>(load<usize>(op + ((<usize>e) << 2), P6), kept);
  }
  for (let r = 0; r < rows; r++) weigh(op, r, experts, k);
}

/** Writes the experts of a row: each time the best of those that are left. */
function choose(op: usize, r: i32, experts: i32, k: i32): void {
  const row = (<usize>(r * experts)) << 2;
  const logits = load<usize>(op, IN0) + row,
    g = load<usize>(op, IN1) + row;
  const noise = load<usize>(op, IN2);
  const choice = load<usize>(op, OUT2) + ((<usize>(2 * k * r)) << 2);
  let taken: u32 = 0;
  for (let j = 0; j < k; j++) {
    let best = -1;
    let most: f32 = 0;
    for (let e = 0; e < experts; e++) {
      if ((taken >> e) & 1) continue;
      const at = (<usize>e) << 2;
      let x = load<f32>((j === 0 ? g : logits) + at);
      if (j > 0 && noise !== 0) x += load<f32>(noise + row + at);
      // No NaN is at least anything.
      if (best < 0 ? x >= -Infinity : x > most) {
        best = e;
        most = x;
      }
    }
    if (best >= 0) taken |= 1 << best;
    else if (j === 0) taken = 0xffffffff;
    store<i32>(choice + ((<usize>j) << 2), best);
  }
}

/** With one choice: do `capacity` rows of the same expert have more noise than row r? Of equals the earlier counts as more. */
function beaten(choice: usize, noise: usize, rows: i32, experts: i32, r: i32, e: i32, capacity: i32): bool {
  const own = load<f32>(noise + ((<usize>(r * experts + e)) << 2));
  let better = 0;
  for (let i = 0; i < rows && better < capacity; i++) {
    if (load<i32>(choice + ((<usize>i) << 3)) !== e) continue;
    const other = load<f32>(noise + ((<usize>(i * experts + e)) << 2));
    if (other > own || (other === own && i < r)) better++;
  }
  return better >= capacity;
}

/** Writes the weights of a row and puts it on the lists of its experts. */
function weigh(op: usize, r: i32, experts: i32, k: i32): void {
  const row = (<usize>(r * experts)) << 2;
  const g = load<usize>(op, IN1) + row,
    weights = load<usize>(op, OUT1) + row;
  const lists = load<usize>(op, OUT);
  const room = load<i32>(op, P4);
  const choice = load<usize>(op, OUT2) + ((<usize>(2 * k * r)) << 2);
  const slots = choice + ((<usize>k) << 2);
  let sum: f32 = 0;
  for (let j = 0; j < k; j++) {
    const at = (<usize>j) << 2;
    if (load<i32>(slots + at) >= 0) sum += load<f32>(g + ((<usize>load<i32>(choice + at)) << 2));
  }
  const whole: f32 = k === 1 ? 1 : max(sum, SMALLEST_SUM);
  memory.fill(weights, 0, (<usize>experts) << 2);
  for (let j = 0; j < k; j++) {
    const slot = load<i32>(slots + ((<usize>j) << 2));
    if (slot < 0) continue;
    const e = load<i32>(choice + ((<usize>j) << 2));
    store<f32>(weights + ((<usize>e) << 2), load<f32>(g + ((<usize>e) << 2)) / whole);
    store<i32>(lists + ((<usize>(e * room + slot)) << 2), r);
  }
}
