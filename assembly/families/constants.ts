// Vectors of constants in scratch (V8 would rebuild a v128.const at each use inside a loop), and half floats, which need two of them.

export const HALF_MASK: usize = 0;
export const HALF_SCALE: usize = 16;
export const NIBBLES: usize = 32;
export const ONES: usize = 48;
export const SIXTEENS: usize = 64;
export const BYTES: usize = 80;
export const START: usize = 96; // what tiles multiply the sums of activations by, see tileQ.ts
// For blocks (unpackBlocks.ts), as bytes:
export const LEVEL: usize = 112; // the lower bits of a vector of levels
export const TOP: usize = 128; // the upper ones, where they belong in a level
export const PLANE: usize = 144; // what a plane adds
export const OFFSET: usize = 160; // relaxed: added to levels; plain, as i16: subtracted from them
export const LEVELS_LOW: usize = 176; // the levels of IQ4 (relaxed: low and high nibbles of level + 128)
export const LEVELS_HIGH: usize = 192;
/** The integer sums of a tile, 8 vectors. */
export const INTEGERS: usize = 208;
export const CONSTANTS: usize = 336;

export function constants(c: usize): void {
  v128.store(c, i32x4.splat(0x8fffe000), HALF_MASK);
  v128.store(c, f32x4.splat(reinterpret<f32>(0x77800000)), HALF_SCALE); // 2^112
  v128.store(c, ASC_FEATURE_RELAXED_SIMD ? i8x16.splat(15) : i16x8.splat(15), NIBBLES);
  v128.store(c, i16x8.splat(1), ONES);
  v128.store(c, i16x8.splat(16), SIXTEENS);
  v128.store(c, i16x8.splat(255), BYTES);
  v128.store(c, i16x8.splat(1), START);
}

// 8 half floats stand in the order 0 4 1 5 2 6 3 7, so that the low and the high half-words of 4 lanes are 4 neighbours each.
// Shifted to the place of a float's fields they are 2^-112 too small: one product makes them right, subnormals too. Infinities and NaN
// become numbers.

/** Values 0..3 of 8 half floats, with the vectors HALF_MASK and HALF_SCALE. */
export function halvesLow(h: v128, mask: v128, scale: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(i32x4.shl(h, 16), 3), mask), scale);
}

/** Values 4..7 of 8 half floats. */
export function halvesHigh(h: v128, mask: v128, scale: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shr_s(h, 3), mask), scale);
}

/** One half float. */
export function half(h: i16): f32 {
  return reinterpret<f32>(((<i32>h) << 13) & 0x8fffe000) * reinterpret<f32>(0x77800000);
}

/** Offset of a row's half float among 8, which stand in the order 0 4 1 5 2 6 3 7. */
export function halfOf(lane: usize): usize {
  return ((lane & 3) << 2) + ((lane >> 2) << 1);
}
