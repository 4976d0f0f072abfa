import { firstElement } from './span.ts';

/** Copies a thread's share of a matrix of 4-byte elements. Strides are elements from one row to the next. */
export function copyWindow(out: usize, outStride: i32, x: usize, stride: i32, rows: i32, cols: i32, thread: i32, threads: i32): void {
  const total = rows * cols;
  const to = firstElement(total, thread + 1, threads);
  let from = firstElement(total, thread, threads);
  while (from < to) {
    const r = from / cols,
      c = from - r * cols;
    const n = min(cols - c, to - from);
    copyElements(out + ((<usize>(r * outStride + c)) << 2), x + ((<usize>(r * stride + c)) << 2), (<usize>n) << 2);
    from += n;
  }
}

/** Copies `bytes`, a multiple of 4. Short runs are the rule: memory.copy's call would cost more than the copy. */
export function copyElements(out: usize, x: usize, bytes: usize): void {
  if (bytes > 1024) {
    memory.copy(out, x, bytes);
    return;
  }
  const vectors = bytes & ~15;
  let i: usize = 0;
  for (; i < vectors; i += 16) v128.store(out + i, v128.load(x + i));
  for (; i < bytes; i += 4) store<u32>(out + i, load<u32>(x + i));
}
