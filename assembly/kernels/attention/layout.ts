// Key/value caches and the attention kernels' scratch: numbers that kernels and graph share.
//
// A cache lies in one piece of `capacity` rows (a multiple of 8), or in pages: pieces of KEY_BLOCK rows, and a table of their addresses.
// `padded` is dim rounded up to 8; padding holds zeros. Within a piece each head's part is contiguous:
//
//   K  f32, f16  [heads] blocks of 32 keys   [padded][32 keys]        the last block may have 8, 16 or 24
//   V  f32, f16  [heads] blocks of 64 keys   strips of 32 elements    [64 keys][32], the last strip may have 8, 16 or 24
//      q8, i16   as these, but two rows stand side by side: K [padded / 2][32 keys][2], V strips [32][32 elements][2]
//                then scales f32 [heads][capacity]: value = scale * integer, scale = largest / 127 of a head's row (i16: / 2047)
//
// So one query row streams through both, 32 columns at a time, in the order of memory; the dot instruction of integers takes two rows at once.
// i16 is for attention without a mask alone, where all weights of a row are known before values are summed (whole.ts).
//
// f16 has 5 bits of exponent and 10 of fraction as IEEE binary16, but with exponent bias 19 and neither infinities nor subnormals:
// +-3.8e-6 .. +-8188, smaller values become 0, larger ones are clamped. Its bits shifted by 13 are a normal float32 too small by 2^108,
// which the kernels put into the other factor. True binary16 would cost a select per vector, or a slow path in the CPU for subnormals.

export const KV_F32 = 0;
export const KV_F16 = 1;
export const KV_Q8 = 2;
export const KV_I16 = 3;

/** Integers of i16: sums of keys times a query row (MAX_DIM elements) and of values times weights (KEY_BLOCK keys) stay below 2^31. */
export const I16_LEVELS = 2047;
export const I16_QUERY = 4095;
export const I16_WEIGHT = 16383;

/** Keys that one step of the online softmax takes. Blocks begin at multiples of it, so a row's result does not depend on its chunk. */
export const KEY_BLOCK = 64;
/** Query rows (of all heads of a group) that share a pass over keys and values. */
export const LANES = 16;
/** Bytes from one lane's vector to the next in scratch: a constant, so that the tiles address four lanes by offset. Bounds dim to 256. */
export const LANE_BYTES = 1024;
export const MAX_DIM = 256;

// Scratch of one thread.
export const S_EXP = 0; // EXP_BYTES
export const S_MASK = 192; // sign and value bits of a widened f16
export const S_STATE = 256; // STATE_BYTES for each lane
export const S_Q = 768; // [LANES] packed query rows
export const S_O = 17152; // [LANES] sums of weighted values
export const S_P = 33536; // [4] scores, then weights of a block
export const S_T = 37632; // [4] weighted values of a block
export const S_KEYS = 41728; // f16: a block's keys, then its values, as f32

/** whole.ts, at S_KEYS: for each 256 keys the scores of 4 lanes, LANE_BYTES apart, which become weights in place. */
export const WHOLE_KEYS = 256;
export const WHOLE_BYTES = 4096;

// State of one lane.
export const STATE_BYTES = 32;
export const FROM = 0; // first visible key
export const TO = 4; // end of the visible keys
export const MAX = 8; // largest score so far
export const SUM = 12; // sum of weights so far
export const Q_SCALE = 16; // q8: scale of the packed query row
export const ALPHA = 20; // factor of the old sums in this block
export const P_SCALE = 24; // q8: scale of this block's weights

// attentionRow: after one packed query row its scores, capacity + KEY_BLOCK of them.
export const S_ROW = 1792;
