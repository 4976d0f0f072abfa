// What this machine can do at best, for benches to be measured against. A module of its own: not part of the kernels.
//
// `at` is the address of 4 KiB of operands in the first-level cache. Eight accumulators hide the latency of the adds; sums are
// returned, so that nothing is optimised away.

/** f32 multiply-adds, the tile of a matrix product: 4 splats x 2 vectors. 32 MACs a step, `steps` steps. */
export function f32Peak(at: usize, steps: i32): f32 {
  let c0 = f32x4.splat(0),
    c1 = c0,
    c2 = c0,
    c3 = c0,
    c4 = c0,
    c5 = c0,
    c6 = c0,
    c7 = c0;
  let k: usize = 0;
  for (let i = 0; i < steps; i++) {
    const x = v128.load(at + k),
      y = v128.load(at + k, 16);
    const a = v128.load_splat<f32>(at + k, 2048),
      b = v128.load_splat<f32>(at + k, 2052);
    c0 = f32x4.add(c0, f32x4.mul(a, x));
    c1 = f32x4.add(c1, f32x4.mul(a, y));
    c2 = f32x4.add(c2, f32x4.mul(b, x));
    c3 = f32x4.add(c3, f32x4.mul(b, y));
    const c = v128.load_splat<f32>(at + k, 2056),
      d = v128.load_splat<f32>(at + k, 2060);
    c4 = f32x4.add(c4, f32x4.mul(c, x));
    c5 = f32x4.add(c5, f32x4.mul(c, y));
    c6 = f32x4.add(c6, f32x4.mul(d, x));
    c7 = f32x4.add(c7, f32x4.mul(d, y));
    k = (k + 32) & 1023;
  }
  const s = f32x4.add(f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3)), f32x4.add(f32x4.add(c4, c5), f32x4.add(c6, c7)));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3);
}

/** 8-bit dot products into sums, by the fastest instructions that this build has. 16-bit sums in the relaxed one: 128 MACs a step, plain (activations widened to 16 bits) 64. */
export function i8Peak(at: usize, steps: i32): i32 {
  let c0 = i32x4.splat(0),
    c1 = c0,
    c2 = c0,
    c3 = c0,
    c4 = c0,
    c5 = c0,
    c6 = c0,
    c7 = c0;
  const a = v128.load(at, 2048),
    b = v128.load(at, 2064),
    c = v128.load(at, 2080),
    d = v128.load(at, 2096);
  let k: usize = 0;
  for (let i = 0; i < steps; i++) {
    const x = weights(at + k),
      y = weights(at + k + (ASC_FEATURE_RELAXED_SIMD ? 16 : 8));
    c0 = dot(c0, a, x);
    c1 = dot(c1, a, y);
    c2 = dot(c2, b, x);
    c3 = dot(c3, b, y);
    c4 = dot(c4, c, x);
    c5 = dot(c5, c, y);
    c6 = dot(c6, d, x);
    c7 = dot(c7, d, y);
    k = (k + (ASC_FEATURE_RELAXED_SIMD ? 32 : 16)) & 1023;
  }
  const s = i32x4.add(i32x4.add(i32x4.add(c0, c1), i32x4.add(c2, c3)), i32x4.add(i32x4.add(c4, c5), i32x4.add(c6, c7)));
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3);
}

function weights(at: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? v128.load(at) : v128.load_ext<i8>(at);
}

function dot(sum: v128, x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, w));
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/** Reads `bytes` (a multiple of 128) once. */
export function readAll(at: usize, bytes: usize): i32 {
  let s0 = i32x4.splat(0),
    s1 = s0,
    s2 = s0,
    s3 = s0;
  for (const end = at + bytes; at < end; at += 128) {
    s0 = v128.xor(v128.xor(s0, v128.load(at)), v128.load(at, 64));
    s1 = v128.xor(v128.xor(s1, v128.load(at, 16)), v128.load(at, 80));
    s2 = v128.xor(v128.xor(s2, v128.load(at, 32)), v128.load(at, 96));
    s3 = v128.xor(v128.xor(s3, v128.load(at, 48)), v128.load(at, 112));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), 0);
}
