// Blocks of 32 with importance: Q4_0, Q4_1, Q5_0, Q5_1, up to eight at a time, each a group.
//
//   Q4_0 [d][16]   Q4_1 [d][m][16]   Q5_0 [d][high bits: 4][16]   Q5_1 [d][m][high bits: 4][16]

import { columns32, LEVELS, MINIMA, SCALES, toBytes, weigh, X } from './groups.ts';
import { affine, signed } from './lanes.ts';
import { putHalf } from './scalar.ts';

/** `count` blocks of x f32 [count * 32] with importance w; `mean` of the row's squares. `five`: five bits; `offset`: with a minimum. */
export function blocks32(x: usize, w: usize, mean: f32, count: i32, to: usize, s: usize, five: bool, offset: bool): void {
  columns32(x, w, count, s);
  weigh(s, 8, f32x4.splat(mean), f32x4.splat(mean));
  if (offset) affine(s + X, 32, 32, five ? 31 : 15, -0.9, 0.05, 36, false, s + SCALES, s + MINIMA);
  else signed(s + X, 32, 32, five ? 16 : 8, true, s + SCALES);
  toBytes(s, 8, 32);
  for (let g = 0; g < count; g++) {
    const levels = s + LEVELS + 32 * g;
    putHalf(to, load<f32>(s + SCALES + 4 * g));
    to += 2;
    if (offset) {
      putHalf(to, -load<f32>(s + MINIMA + 4 * g));
      to += 2;
    }
    if (five) {
      let high: u32 = 0;
      for (let i = 0; i < 32; i++) high |= (<u32>load<u8>(levels + i) >> 4) << i;
      store<u32>(to, high);
      to += 4;
    }
    for (let i = 0; i < 16; i++) store<u8>(to + i, (load<u8>(levels + i) & 15) | ((load<u8>(levels + i + 16) & 15) << 4));
    to += 16;
  }
}
