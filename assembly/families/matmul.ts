// What the kernels of the matmul family share: the layout of quantized activations, half floats, constants, the epilogue.
//
// Weights lie in groups of 8 rows. A tile adds into `sums`, f32 [rows][8] in the thread's scratch; finish() writes them out.

import { OUT, P0, P2, P3 } from '../program.ts';

/** Bytes of 32 quantized activations: f32 scale, a word made of their sum, the values (relaxed: i8, plain: i16). quantizeRows says how. */
export const Q8_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 40 : 72;

/** Bytes of one group of 8 rows for 32 columns: 8 half floats, then the values. */
export const Q4_GROUP: usize = 144;
export const Q8_GROUP: usize = 272;

// Constants live in scratch: V8 would rebuild a v128.const at each use inside a loop.
export const CONSTANTS: usize = 96;
export const HALF_MASK: usize = 0;
export const HALF_SCALE: usize = 16;
export const NIBBLES: usize = 32;
export const ONES: usize = 48;
export const SIXTEENS: usize = 64;
export const BYTES: usize = 80;

export function constants(at: usize): void {
  v128.store(at, i32x4.splat(0x8fffe000), HALF_MASK);
  v128.store(at, f32x4.splat(reinterpret<f32>(0x77800000)), HALF_SCALE); // 2^112
  v128.store(at, ASC_FEATURE_RELAXED_SIMD ? i8x16.splat(15) : i16x8.splat(15), NIBBLES);
  v128.store(at, i16x8.splat(1), ONES);
  v128.store(at, i16x8.splat(16), SIXTEENS);
  v128.store(at, i16x8.splat(255), BYTES);
}

// 8 half floats stand in the order 0 4 1 5 2 6 3 7, so that the low and the high half-words of 4 lanes are 4 neighbours each.
// Shifted to the place of a float's fields they are 2^-112 too small: one product makes them right, subnormals too. Infinities and NaN become numbers.

/** Values 0..3 of 8 half floats. */
export function halvesLow(h: v128, c: usize): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(i32x4.shl(h, 16), 3), v128.load(c, HALF_MASK)), v128.load(c, HALF_SCALE));
}

/** Values 4..7 of 8 half floats. */
export function halvesHigh(h: v128, c: usize): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(h, 3), v128.load(c, HALF_MASK)), v128.load(c, HALF_SCALE));
}

/** out = sums (+ bias) (+ residual) for the 8 outputs of a group: rows first .. first + count. */
export function finish(op: usize, group: i32, first: i32, count: i32, sums: usize): void {
  const n = load<i32>(op, P0);
  const column = (<usize>group) << 5;
  const stride = (<usize>n) << 2;
  const at = <usize>first * stride + column;
  const bias = load<usize>(op, P2);
  const residual = load<usize>(op, P3);
  const width = min(8, n - (group << 3));
  for (let r: usize = 0; r < <usize>count; r++) {
    const y = load<usize>(op, OUT) + at + r * stride;
    const z = residual + at + r * stride;
    const s = sums + (r << 5);
    if (width == 8) {
      let a = v128.load(s),
        b = v128.load(s, 16);
      if (bias != 0) {
        a = f32x4.add(a, v128.load(bias + column));
        b = f32x4.add(b, v128.load(bias + column, 16));
      }
      if (residual != 0) {
        a = f32x4.add(a, v128.load(z));
        b = f32x4.add(b, v128.load(z, 16));
      }
      v128.store(y, a);
      v128.store(y, b, 16);
    } else {
      for (let i: usize = 0; i < <usize>width; i++) {
        let a = load<f32>(s + (i << 2));
        if (bias != 0) a += load<f32>(bias + column + (i << 2));
        if (residual != 0) a += load<f32>(z + (i << 2));
        store<f32>(y + (i << 2), a);
      }
    }
  }
}

/** Rows of activations that stay in the second-level cache while the weights stream by: a multiple of 4. */
export function rowsAtOnce(rowBytes: usize): i32 {
  return max(4, <i32>(393216 / rowBytes) & ~3);
}

/** One half float. Infinities and NaN become numbers. */
export function half(h: i16): f32 {
  return reinterpret<f32>(((<i32>h) << 13) & 0x8fffe000) * reinterpret<f32>(0x77800000);
}
