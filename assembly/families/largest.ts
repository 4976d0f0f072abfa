/** Largest of `bytes / 4` floats. NaN is passed over, since pmax(a, b) is a wherever b is NaN: a run of nothing else gives -Infinity. */
export function largest(x: usize, bytes: usize): f32 {
  const blocks = bytes & ~63;
  let m0 = f32x4.splat(-Infinity),
    m1 = m0,
    m2 = m0,
    m3 = m0;
  let i: usize = 0;
  for (; i < blocks; i += 64) {
    m0 = f32x4.pmax(m0, v128.load(x + i));
    m1 = f32x4.pmax(m1, v128.load(x + i, 16));
    m2 = f32x4.pmax(m2, v128.load(x + i, 32));
    m3 = f32x4.pmax(m3, v128.load(x + i, 48));
  }
  for (; i < bytes; i += 4) m0 = f32x4.pmax(m0, v128.load_splat<f32>(x + i));
  const m = f32x4.max(f32x4.max(m0, m1), f32x4.max(m2, m3));
  return max(max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)), max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)));
}
