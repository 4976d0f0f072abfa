// Packed layouts of GGUF's block types: 8 rows interleaved, in super-blocks of 256 columns (Q*_K, IQ4_XS) or 32.
//
//   super-block   8 half floats d (order 0 4 1 5 2 6 3 7); where there are mins, 8 more; then its blocks of 32 columns
//   block         scales, 8 bytes each set (one byte per row), levels, their additional bits
//     scales      Q4_K, Q5_K: scale, min   IQ4_XS: scale   Q6_K, Q3_K: scale of columns 0..15, of 16..31   Q2_K the same, min in the high nibble
//     levels      nibbles: 4 x 2 vectors (p, half), lane r: row 4 half + r, byte j: column 4p + j low, 16 + 4p + j high
//                 crumbs: 2 x 2 vectors (e, half), the same lanes, byte j: columns 16e + 4c + j, c = 0..3 from the lowest bits on
//     more        Q5_*, Q3_K: bits, 2 vectors (half), byte j: bit p of column 4p + j   Q6_K: crumbs
//
// Scales and mins stay integers beside d: products of both are exact in f32, so a weight is the file's.

import * as storage from '../storage.ts';

/** Blocks of 32 columns under one d. */
export function blocksPerSuper(packed: i32): usize {
  return packed >= storage.PACKED_Q4_K ? 8 : 1;
}

/** A scale holds for 16 columns, not 32. */
export function perSixteen(packed: i32): bool {
  return packed >= storage.PACKED_Q6_K;
}

export function hasMins(packed: i32): bool {
  return (
    packed == storage.PACKED_Q4_1 ||
    packed == storage.PACKED_Q5_1 ||
    packed == storage.PACKED_Q4_K ||
    packed == storage.PACKED_Q5_K ||
    packed == storage.PACKED_Q2_K
  );
}

/** Levels are numbers in a table of 16. */
export function hasTable(packed: i32): bool {
  return packed == storage.PACKED_IQ4_NL || packed == storage.PACKED_IQ4_XS;
}

/** Bits of a level. */
export function bitsOf(packed: i32): i32 {
  if (packed == storage.PACKED_Q2_K) return 2;
  if (packed == storage.PACKED_Q3_K) return 3;
  if (packed == storage.PACKED_Q6_K) return 6;
  return packed == storage.PACKED_Q5_0 || packed == storage.PACKED_Q5_1 || packed == storage.PACKED_Q5_K ? 5 : 4;
}

/** The level of weight 0. */
export function zeroOf(packed: i32): i32 {
  if (packed == storage.PACKED_Q5_0) return 16;
  if (packed == storage.PACKED_Q6_K) return 32;
  return packed == storage.PACKED_Q3_K ? 4 : 0;
}

export function headBytes(packed: i32): usize {
  return hasMins(packed) ? 32 : 16;
}

export function scaleBytes(packed: i32): usize {
  if (packed < storage.PACKED_Q4_K) return 0;
  return packed == storage.PACKED_IQ4_XS ? 8 : 16;
}

export function blockBytes(packed: i32): usize {
  return scaleBytes(packed) + ((<usize>bitsOf(packed)) << 5);
}

/** Offset of a block of 32 columns that begins a super-block. */
export function blockAt(packed: i32, block: usize): usize {
  const per = blocksPerSuper(packed);
  return (block / per) * (headBytes(packed) + per * blockBytes(packed));
}
