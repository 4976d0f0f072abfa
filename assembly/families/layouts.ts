// Byte counts of the layouts that the matmul family shares.

/** 32 quantized activations: f32 scale, a word made of their sums, the values (relaxed: i8, plain: i16), f32 scale times sum. quantizeRows says how. */
export const Q8_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 44 : 76;
/** 16 of them, for weights with a scale per 16. */
export const Q8_HALF: usize = ASC_FEATURE_RELAXED_SIMD ? 28 : 44;

/** A group of 8 weight rows, 32 columns: 8 half floats, then the values. */
export const Q4_GROUP: usize = 144;
export const Q8_GROUP: usize = 272;

/** 32-bit words in which a block of 32 activations is read: 4 i8 or 2 i16 each. */
export const WORDS: usize = ASC_FEATURE_RELAXED_SIMD ? 8 : 16;

/** A panel of unpacked quantized weights: per block of 32 columns 8 f32 scales, then per word of activations two vectors, rows 0..3 and 4..7. */
export const PANEL_BLOCK: usize = 32 + 32 * WORDS;
/** The same for 16 columns. */
export const PANEL_HALF: usize = 32 + 16 * WORDS;
/** Blocks of a panel, such that it leaves room for activations in a first-level cache of 32 KiB. */
export const STRETCH: usize = 32;
/** Bytes of the largest panel: two of 16 columns in the plain build. */
export const PANEL: usize = 576 * STRETCH;
/** Bytes of the mins of a panel: 8 f32 per scale. */
export const MINS: usize = 64 * STRETCH;
