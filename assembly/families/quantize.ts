// 32 floats to one block as files hold it, byte for byte what GGUF's default quantizer writes. One function per stored type.

import { halfBits } from './pack.ts';

/** Q8_0: d = max|x| / 127, q = x / d rounded half away from zero. */
export function blockQ8(x: usize, to: usize): void {
  let largest: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) largest = max(largest, abs(load<f32>(x + i)));
  const d = largest / 127;
  const inverse = d != 0 ? <f32>1 / d : 0;
  store<u16>(to, halfBits(d));
  for (let i: usize = 0; i < 32; i++) {
    const v = load<f32>(x + (i << 2)) * inverse;
    const t = trunc(v);
    store<i8>(to + i, <i32>(abs(v - t) >= 0.5 ? t + copysign<f32>(1, v) : t), 2);
  }
}

/** Q4_0: d = m / -8, m the value of largest magnitude with its sign, q = min(15, x / d + 8.5). */
export function blockQ4(x: usize, to: usize): void {
  let m: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) {
    const v = load<f32>(x + i);
    if (abs(v) > abs(m)) m = v;
  }
  const d = m / -8;
  const inverse = d != 0 ? <f32>1 / d : 0;
  store<u16>(to, halfBits(d));
  for (let i: usize = 0; i < 16; i++) {
    const low = min(15, <i32>(load<f32>(x + (i << 2)) * inverse + 8.5));
    const high = min(15, <i32>(load<f32>(x + (i << 2), 64) * inverse + 8.5));
    store<u8>(to + i, low | (high << 4), 2);
  }
}
