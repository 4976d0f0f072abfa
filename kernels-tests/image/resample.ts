// Pillow's two passes in plain integers: the definition that the kernels are compared with.

import { COEFFICIENT_BITS, type Coefficients } from '../../src/image/filters.ts';

/** Output sample `x` of a line of bytes, `step` bytes apart. */
export function resample(line: Uint8Array, at: number, step: number, c: Coefficients, x: number): number {
  let sum = 2 ** (COEFFICIENT_BITS - 1);
  for (let i = 0; i < c.count[x]!; i++) sum += c.values[x * c.taps + i]! * line[at + (c.first[x]! + i) * step]!;
  return Math.min(255, Math.max(0, Math.floor(sum / 2 ** COEFFICIENT_BITS)));
}

/** Bytes with the extremes in long runs, so that every filter overshoots. */
export function harshBytes(n: number, seed: number): Uint8Array {
  let s = seed;
  return Uint8Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    const byte = s >>> 24;
    return byte < 100 ? 0 : byte > 155 ? 255 : byte;
  });
}
