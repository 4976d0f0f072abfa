// Pictures and checksums that kernels-tests/fixtures/image/make.py makes too.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RgbImage } from '../../src/image/image.ts';
import { fixture } from '../fixtures.ts';

/** A noisy picture that every language computes alike. */
export function pattern(width: number, height: number): RgbImage {
  const data = Uint8Array.from(
    { length: 3 * width * height },
    (_, i) => (Math.imul(Math.imul(i, i), 7) + Math.imul(i, 31) + (i >> 3)) & 255,
  );
  return { width, height, data };
}

export const sha256 = (data: Uint8Array | Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

export const fixtureBytes = (name: string): Uint8Array => new Uint8Array(readFileSync(fixture(`image/${name}`)));

export const fixtureJson = <T>(name: string): T => JSON.parse(readFileSync(fixture(`image/${name}`), 'utf8')) as T;
