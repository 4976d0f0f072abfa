// Packed layouts of GGUF's block types: 8 rows interleaved, in super-blocks of 256 columns (Q*_K, IQ4_XS) or 32.
//
//   super-block   8 half floats d (order 0 4 1 5 2 6 3 7); where there are mins, 8 more; scales, a byte per row, of all blocks; mins (Q2_K: in the
//                 high nibbles of the scales); then its blocks of 32 columns
//     scales      per 32 columns, in Q6_K, Q3_K and Q2_K per 16
//   block         levels, word by word: word p of a row are its columns 4p .. 4p + 3, byte j: column 4p + j. A vector holds the same word of 4 rows.
//     4 - 6 bits  4 x 2 vectors (p, half), half: rows 0..3 or 4..7: word p in the low bits, the upper bits of word p + 4 above them;
//                 then the rest of words p + 4, from the lowest bits on: Q5: 2 bits each, one vector per half; Q6: 4 bits each, two
//     2 - 3 bits  crumbs: 2 x 2 vectors (e, half), words 4e + c, c = 0..3 from the lowest bits on; Q3: 2 vectors (half), bit p of word p
//
// Scales and mins stay integers beside d: products of both are exact in f32, so a weight is the file's.

import * as storage from '../storage.ts';

/** Super-blocks: 256 columns under one d, with integers for scales. */
export function isSuper(packed: i32): bool {
  return packed >= storage.PACKED_Q4_K;
}

/** Blocks of 32 columns under one d. */
export function blocksPerSuper(packed: i32): usize {
  return isSuper(packed) ? 8 : 1;
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

/** Offset of the scales in a super-block. */
export function scalesAt(packed: i32): usize {
  return hasMins(packed) ? 32 : 16;
}

/** Bytes of the scales, or of the mins. */
export function scaleBytes(packed: i32): usize {
  return perSixteen(packed) ? 128 : 64;
}

export function headBytes(packed: i32): usize {
  if (!isSuper(packed)) return scalesAt(packed);
  return scalesAt(packed) + (hasMins(packed) && !perSixteen(packed) ? 128 : scaleBytes(packed));
}

export function blockBytes(packed: i32): usize {
  return (<usize>bitsOf(packed)) << 5;
}

/** Offset of a block of 32 columns that begins a super-block. */
export function blockAt(packed: i32, block: usize): usize {
  const per = blocksPerSuper(packed);
  return (block / per) * (headBytes(packed) + per * blockBytes(packed));
}
