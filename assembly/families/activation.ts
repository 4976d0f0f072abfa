// Activations: classes without fields, so that unary and gated call `of` directly, with no object.
//
// `prepare` writes constants to 16-byte slots of the thread's scratch, EXP_BYTES + 160 in all.

import { EXP_BYTES, expConstants, expF32x4 } from '../exp.ts';

/** Where an activation keeps its own constants, behind those of exp. */
const OWN: usize = EXP_BYTES;

/** x * exp(g) / (1 + exp(g)), with exp(g) = 0 below -87. The quotient is formed first, so that a large g cannot overflow. */
function swish(x: v128, g: v128, e: usize): v128 {
  const z = expF32x4(g, e);
  return f32x4.mul(x, f32x4.div(z, f32x4.add(z, f32x4.splat(1))));
}

export class Silu {
  prepare(_op: usize, e: usize): void {
    expConstants(e, -87);
  }
  of(x: v128, e: usize): v128 {
    return swish(x, x, e);
  }
}

export class GeluQuick {
  prepare(_op: usize, e: usize): void {
    expConstants(e, -87);
    v128.store(e + OWN, f32x4.splat(1.702));
  }
  of(x: v128, e: usize): v128 {
    return swish(x, f32x4.mul(x, v128.load(e + OWN)), e);
  }
}

/** (1 + tanh(u)) / 2 is sigmoid(2u): no tanh is needed, and nothing cancels. */
export class GeluTanh {
  prepare(_op: usize, e: usize): void {
    expConstants(e, -87);
    v128.store(e + OWN, f32x4.splat(1.5957691216057308)); // 2 sqrt(2 / pi)
    v128.store(e + OWN, f32x4.splat(0.07135481627260025), 16); // the same times 0.044715
  }
  of(x: v128, e: usize): v128 {
    const cubic = f32x4.mul(f32x4.mul(x, x), v128.load(e + OWN, 16));
    return swish(x, f32x4.mul(x, f32x4.add(v128.load(e + OWN), cubic)), e);
  }
}

/**
 * x/2 (1 + erf(x/sqrt2)) is x/2 E for x < 0 and x/2 (2 - E) for x >= 0, with E = erfc(|x|/sqrt2) = exp(-a Q(a)), a = |x|.
 * Q, of degree 7, was fitted to -ln erfc over 0..6: E is off by at most 5.1e-8, and it falls to 0 beyond. The tail for negative x
 * is a product, not a difference, so it keeps its leading digits.
 */
export class Gelu {
  prepare(_op: usize, e: usize): void {
    expConstants(e, -87);
    v128.store(e + OWN, f32x4.splat(0.797886677777));
    v128.store(e + OWN, f32x4.splat(0.318283725981), 16);
    v128.store(e + OWN, f32x4.splat(0.0364423141299), 32);
    v128.store(e + OWN, f32x4.splat(-0.00498574782933), 48);
    v128.store(e + OWN, f32x4.splat(0.000170481163328), 64);
    v128.store(e + OWN, f32x4.splat(9.53930846565e-5), 80);
    v128.store(e + OWN, f32x4.splat(-1.97955133817e-5), 96);
    v128.store(e + OWN, f32x4.splat(1.31035145625e-6), 112);
    v128.store(e + OWN, f32x4.splat(0.5), 128);
    v128.store(e + OWN, f32x4.splat(2), 144);
  }
  of(x: v128, e: usize): v128 {
    const a = f32x4.abs(x);
    let q = f32x4.add(f32x4.mul(v128.load(e + OWN, 112), a), v128.load(e + OWN, 96));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN, 80));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN, 64));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN, 48));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN, 32));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN, 16));
    q = f32x4.add(f32x4.mul(q, a), v128.load(e + OWN));
    const z = expF32x4(f32x4.neg(f32x4.mul(q, a)), e);
    const twice = v128.bitselect(z, f32x4.sub(v128.load(e + OWN, 144), z), i32x4.shr_s(x, 31));
    return f32x4.mul(f32x4.mul(x, v128.load(e + OWN, 128)), twice);
  }
}
