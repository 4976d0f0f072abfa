// Byte counts of the layouts that the matmul family shares.

/** 32 quantized activations: f32 scale, a word made of their sums, the values (relaxed: i8, plain: i16), f32 scale times sum. quantizeRows says how. */
export const Q8_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 44 : 76;

// 256 quantized activations, for weights in super-blocks: f32 scale, then
export const SUPER_SUMS: usize = 4; // 8 sums of 32 values, i16
export const SUPER_HALVES: usize = 20; // 16 sums of 16 values, i16
export const SUPER_STARTS: usize = 52; // relaxed: a word made of sums for each 16 values
export const SUPER_VALUES: usize = ASC_FEATURE_RELAXED_SIMD ? 116 : 52; // relaxed: i8, plain: i16
export const SUPER_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 372 : 564;

/** A group of 8 weight rows, 32 columns: 8 half floats, then the values. */
export const Q4_GROUP: usize = 144;
export const Q8_GROUP: usize = 272;

/** 32-bit words in which a block of 32 activations is read: 4 i8 or 2 i16 each. */
export const WORDS: usize = ASC_FEATURE_RELAXED_SIMD ? 8 : 16;

/** A panel of unpacked quantized weights: per block of 32 columns 8 f32 scales, then per word of activations two vectors, rows 0..3 and 4..7. */
export const PANEL_BLOCK: usize = 32 + 32 * WORDS;
/**
 * The same for a super-block: 8 f32 scales, 8 scales of mins, 8 pairs of vectors that multiply sums of activations (of two neighbouring
 * blocks: i16 of one and of the other, rows 0..3 and 4..7), then units of 16 or 32 columns: scales (relaxed: each twice, as i16; plain: i32), words.
 */
export const SUPER_HEAD: usize = 320;
/** Blocks of a panel, such that it leaves room for activations in a first-level cache of 32 KiB. */
export const STRETCH: usize = 32;
/** Bytes of the largest panel: super-blocks of two planes, or of 16 columns in the plain build. */
export const PANEL: usize = 616 * STRETCH;
/** Bytes of the mins of a panel: 8 f32 per scale. */
export const MINS: usize = 32 * STRETCH;
