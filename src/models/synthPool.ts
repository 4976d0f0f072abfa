// Random blocks of weights, repeated to fill files of any size.

import { InputError } from '../errors.ts';
import { f32ToF16 } from '../formats/half.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';

/** Types that random matrices can have. */
export const SYNTH_TYPES: readonly StorageType[] = ['f16', 'q8_0', 'q6_k', 'q5_0', 'q4_0'];

export const POOL_BLOCKS: number = 2 ** 15;

/** Of type f32: norms are near one, all else is as matrices are. */
export type PoolFill = 'near one' | 'random';

/** Random blocks of a type: weights of a standard deviation near 0.02, norms near 1. */
export function pool(type: StorageType, fill: PoolFill): Uint8Array {
  let s = 0x9e3779b9;
  const next = () => {
    s ^= s << 13;
    s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s;
  };
  const half = (x: number): [number, number] => [f32ToF16(x) & 255, f32ToF16(x) >> 8];
  const scale = () => 0.003 * (0.75 + next() / 2 ** 33);
  switch (type) {
    case 'f32':
      return new Uint8Array(
        Float32Array.from({ length: POOL_BLOCKS }, () => {
          const x = next() / 2 ** 32 - 0.5;
          return fill === 'random' ? x * 0.07 : 1 + x / 10;
        }).buffer,
      );
    case 'f16':
      return new Uint8Array(Uint16Array.from({ length: POOL_BLOCKS }, () => f32ToF16((next() / 2 ** 32 - 0.5) * 0.07)).buffer);
    case 'q8_0':
    case 'q5_0':
    case 'q4_0': {
      const size = BLOCKS[type].bytes;
      const steps = { q8_0: 16, q5_0: 2, q4_0: 1 }[type];
      const bytes = new Uint8Array(POOL_BLOCKS * size);
      for (let b = 0; b < bytes.length; b += size) {
        bytes.set(half(scale() / steps), b);
        for (let i = 2; i < size; i++) bytes[b + i] = next() >>> 13;
      }
      return bytes;
    }
    case 'q6_k': {
      const { bytes: size } = BLOCKS.q6_k;
      const bytes = new Uint8Array(POOL_BLOCKS * size);
      for (let b = 0; b < bytes.length; b += size) {
        for (let i = 0; i < 192; i++) bytes[b + i] = next() >>> 13;
        for (let i = 192; i < 208; i++) bytes[b + i] = 64 + ((next() >>> 13) % 64);
        bytes.set(half(scale() / 256), b + 208);
      }
      return bytes;
    }
    default:
      throw new InputError(`synth: no random blocks of type ${type}: use ${SYNTH_TYPES.join(', ')}`);
  }
}

/** `total` bytes: from byte `from` on, and from the beginning again as often as it takes. */
export function* repeat(bytes: Uint8Array, total: number, from: number): Generator<Uint8Array> {
  const first = bytes.subarray(from, from + total);
  yield first;
  total -= first.length;
  for (let left = total; left > 0; left -= bytes.length) yield left < bytes.length ? bytes.subarray(0, left) : bytes;
}
