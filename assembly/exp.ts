// expF32x4: e^x for 4 floats, the same bits in every build and engine (plain mul and add, no fused steps).
//
//   x = n ln2 + r, |r| <= ln2/2;  e^x = 2^n (1 + r + r^2 P(r)), P of degree 4, minimax (3e-9).
//   Largest relative error over -87..88.7: 8e-8 (1.4 ulp). e^0 = 1 exactly. NaN stays NaN.
//   Below `low` (>= -87, so that no result is ever denormal) the result is 0; above 88.72 it stays 3.4e38.
//
// Constants: a literal splat becomes v128.const, which V8 rebuilds at each use, and 12 of them do not fit beside a kernel's own
// registers. So a kernel writes them once per call into EXP_BYTES of its scratch (16-byte aligned), and expF32x4 loads them:
//
//   op.scratch: EXP_BYTES;  expConstants(e, -87) before the loop;  expF32x4(x, e) in it

export const EXP_BYTES = 192;

/** Writes the constants to `e`; results below e^low are flushed to 0. */
export function expConstants(e: usize, low: f32): void {
  v128.store(e, f32x4.splat(low));
  v128.store(e, f32x4.splat(88.72), 16);
  v128.store(e, f32x4.splat(1.442695), 32); // 1 / ln2
  v128.store(e, f32x4.splat(12582912), 48); // 1.5 * 2^23: adding it rounds to an integer that stands in the low bits
  v128.store(e, f32x4.splat(0.693359375), 64); // ln2, high part: n times it is exact
  v128.store(e, f32x4.splat(-2.1219444e-4), 80); // ln2, the rest
  v128.store(e, f32x4.splat(0.0013814540579915047), 96);
  v128.store(e, f32x4.splat(0.00836874544620514), 112);
  v128.store(e, f32x4.splat(0.04166838899254799), 128);
  v128.store(e, f32x4.splat(0.1666652113199234), 144);
  v128.store(e, f32x4.splat(0.4999999403953552), 160);
  v128.store(e, f32x4.splat(1), 176);
}

// Kept just small enough for the compiler to inline it at every use: a call would cost as much as the work.
export function expF32x4(x: v128, e: usize): v128 {
  const small = f32x4.lt(x, v128.load(e));
  x = f32x4.pmin(x, v128.load(e, 16));
  const shifted = f32x4.add(f32x4.mul(x, v128.load(e, 32)), v128.load(e, 48));
  const n = f32x4.sub(shifted, v128.load(e, 48));
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, v128.load(e, 64))), f32x4.mul(n, v128.load(e, 80)));
  let p = f32x4.add(f32x4.mul(v128.load(e, 96), r), v128.load(e, 112));
  p = f32x4.add(f32x4.mul(p, r), v128.load(e, 128));
  p = f32x4.add(f32x4.mul(p, r), v128.load(e, 144));
  p = f32x4.add(f32x4.mul(p, r), v128.load(e, 160));
  const y = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), v128.load(e, 176));
  return v128.andnot(i32x4.add(y, i32x4.shl(shifted, 23)), small);
}
