// Which build does this engine compute rightly?

import type { Build } from './platform.ts';

// (func (result i32) i32x4.extract_lane 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s (i8x16.splat 1) (i8x16.splat 1) (i32x4.splat 10)))
// prettier-ignore
const RELAXED_DOT = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 22, 1, 20, 0, 65, 1, 253, 15, 65, 1, 253, 15,
  65, 10, 253, 17, 253, 147, 2, 253, 27, 0, 11,
]);

/**
 * `relaxed` where relaxed SIMD exists and is right in the first, cold call; else `simd`.
 * Node 20 behind its flag validates the module, and its baseline compiler then computes dot + dot instead of dot + 10.
 */
export function bestBuild(): Build {
  try {
    if (!WebAssembly.validate(RELAXED_DOT)) return 'simd';
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_DOT)).exports as { f(): number };
    return f() === 14 ? 'relaxed' : 'simd';
  } catch {
    return 'simd';
  }
}
