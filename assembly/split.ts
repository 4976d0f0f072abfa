/** First row of a thread when `rows` are dealt in equal, contiguous shares. `thread == threads` gives `rows`. */
export function firstRow(rows: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>rows * thread) / threads);
}
