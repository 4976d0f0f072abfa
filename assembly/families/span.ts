/**
 * First element of a thread when the elements of a matrix are dealt in row-major order, in shares of whole 64 bytes, so that one long
 * row keeps every thread busy. `thread === threads` gives `total`.
 */
export function firstElement(total: i32, thread: i32, threads: i32): i32 {
  return thread === threads ? total : <i32>((<i64>total * thread) / threads) & ~15;
}
