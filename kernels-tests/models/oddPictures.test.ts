// Odd picture files and proportions through the variants with choices of their own: what they see, and what they refuse.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, Llava, type PictureOptions } from '../../src/index.ts';
import { fixture } from '../fixtures.ts';
import { fixtureBytes, pattern } from '../image/pattern.ts';
import { withMqt, withUhd } from './tinyModels.ts';

/** A PNG that says it has 20000 x 20000 pixels and ends there. */
function hugePng(): Uint8Array {
  const head = fixtureBytes('rgb.png').slice(0, 33);
  new DataView(head.buffer).setUint32(16, 20000);
  new DataView(head.buffer).setUint32(20, 20000);
  return head;
}

const VARIANTS: readonly (readonly [name: string, within: typeof withMqt, options: PictureOptions])[] = [
  ['mqt-llava', withMqt, { visualTokens: 3 }],
  ['llava-uhd', withUhd, { preResize: null }],
];

for (const [name, within, options] of VARIANTS) {
  test(`${name}: alpha is dropped, orientation tags are not applied, of moving pictures the first frame counts`, () =>
    within(async (dir) => {
      await using llava = await Llava.load(dir, { threads: 0 });
      for (const [odd, plain] of [
        ['rgba.png', 'rgb.png'],
        ['transparent.png', 'rgb.png'],
        ['frames.png', 'rgb.png'],
        ['frames.gif', 'palette.gif'],
        ['rotated.jpg', '420.jpg'],
      ] as const) {
        const rows = async (file: string) => (await llava.embedImage(fixture(`image/${file}`), options)).features;
        assert.deepEqual(await rows(odd), await rows(plain), odd);
      }
      assert.notDeepEqual(
        (await llava.embedImage(fixture('image/420.jpg'), options)).features,
        (await llava.embedImage(fixture('image/rgb.png'), options)).features,
      );
    }));

  test(`${name}: CMYK, 16 bits, palettes and single bits`, () =>
    within(async (dir) => {
      await using llava = await Llava.load(dir, { threads: 0 });
      for (const file of ['cmyk.jpg', 'ycck.jpg', 'rgb16.png', 'gray-alpha16.png', 'palette4.png', 'bits.png', 'narrow.jpg']) {
        const { rows, features } = await llava.embedImage(fixture(`image/${file}`), options);
        assert.equal(rows, options.visualTokens ?? 16, file);
        assert.ok(features.every(Number.isFinite), file);
      }
    }));

  test(`${name}: extreme proportions are seen, and pictures beyond the limit are refused before they are decoded`, () =>
    within(async (dir) => {
      await using llava = await Llava.load(dir, { threads: 0 });
      for (const [width, height] of [
        [1, 1],
        [1, 10000],
        [10000, 1],
      ] as const) {
        const { rows, features } = await llava.embedImage(pattern(width, height), options);
        // UHD: 16 rows and a separator for each slice, then the overview.
        assert.ok(options.visualTokens ? rows === options.visualTokens : (rows + 1) % 17 === 0, `${width} x ${height}: ${rows} rows`);
        assert.ok(features.every(Number.isFinite), `${width} x ${height}`);
      }
      await assert.rejects(
        llava.embedImage(hugePng(), options),
        (e) => e instanceof InputError && /^image: too large: got 20000 x 20000, at most 100000000 pixels/.test(e.message),
      );
    }));
}
