// Numbers that order as floats do, for selections without comparisons of floats.

/** Larger for a larger x; both zeros are equal. */
export function orderOf(x: f32): u32 {
  const bits = reinterpret<i32>(x + 0);
  return <u32>(bits ^ ((bits >> 31) & 0x7fffffff)) ^ 0x80000000;
}

/** The k-th largest of n u32 keys, bit by bit; more than any for k = 0. */
export function kth(keys: usize, n: i32, k: i32): u32 {
  if (k <= 0) return 0xffffffff;
  let bound: u32 = 0;
  for (let bit: u32 = 0x80000000; bit != 0; bit >>= 1) {
    if (atLeast(keys, n, bound | bit) >= k) bound |= bit;
  }
  return bound;
}

/** How many of n keys are at least `bound`. */
export function atLeast(keys: usize, n: i32, bound: u32): i32 {
  let count = 0;
  for (let p = keys, end = keys + ((<usize>n) << 2); p < end; p += 4) count += load<u32>(p) >= bound ? 1 : 0;
  return count;
}
