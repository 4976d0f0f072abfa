// Arithmetic on whole rows of f32, `bytes` long, any multiple of 4. The order of a sum depends on `bytes` alone.

/** Sum of a[i] * b[i]. */
export function dot(a: usize, b: usize, bytes: usize): f32 {
  const vectors = bytes & ~15;
  let s = f32x4.splat(0);
  let i: usize = 0;
  for (; i < vectors; i += 16) s = f32x4.add(s, f32x4.mul(v128.load(a + i), v128.load(b + i)));
  let sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
  for (; i < bytes; i += 4) sum += load<f32>(a + i) * load<f32>(b + i);
  return sum;
}

/** 1 / |a|, and 0 for a row of zeros. */
export function inverseNorm(a: usize, bytes: usize): f32 {
  const square = dot(a, a, bytes);
  return square > 0 ? 1 / sqrt(square) : 0;
}

/** out += f * x. */
export function addScaled(out: usize, x: usize, f: f32, bytes: usize): void {
  const vectors = bytes & ~15,
    v = f32x4.splat(f);
  let i: usize = 0;
  for (; i < vectors; i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(v, v128.load(x + i))));
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(out + i) + f * load<f32>(x + i));
}
