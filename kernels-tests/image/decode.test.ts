import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, UnsupportedError } from '../../src/errors.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { fixtureBytes, fixtureJson, pattern, sha256 } from './pattern.ts';

const files = fixtureJson<Readonly<Record<string, { readonly size: readonly number[]; readonly sha256: string }>>>('files.json');
const input = (pattern: RegExp) => (e: unknown) => e instanceof InputError && pattern.test(e.message);

for (const [name, { size, sha256: want }] of Object.entries(files)) {
  if (name.endsWith('.webp')) continue;
  test(`decode ${name}: Pillow's pixels`, async () => {
    const image = await decodeImage(fixtureBytes(name), { name });
    assert.deepEqual([image.width, image.height, sha256(image.data)], [...size, want]);
  });

  test(`decode ${name} cut off anywhere, or damaged: InputError with the name`, async () => {
    const bytes = fixtureBytes(name);
    for (let length = 1; length < bytes.length - 12; length += Math.ceil(bytes.length / 40)) {
      // Trailing bytes that carry no picture may be missing.
      const cut = await decodeImage(bytes.slice(0, length), { name }).catch((e: unknown) => e);
      assert.ok(input(new RegExp(`^${name.replace('.', '\\.')}: `))(cut), `${length} of ${bytes.length} bytes: got ${cut}`);
    }
    let seed = 1;
    for (let i = 0; i < 60; i++) {
      const damaged = bytes.slice();
      for (let k = 0; k < 3; k++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        damaged[2 + (seed % (damaged.length - 2))] = seed >>> 24;
      }
      const result = await decodeImage(damaged, { name, maxPixels: 1e6 }).catch((e: unknown) => e);
      const typed = result instanceof InputError || result instanceof UnsupportedError;
      assert.ok(!(result instanceof Error) || (typed && result.message.startsWith(name)), `damage ${i}: got ${result}`);
    }
  });
}

test('16-bit gray keeps its high byte', async () => {
  const bytes = fixtureBytes('gray-alpha16.png');
  const { data } = await decodeImage(bytes);
  assert.ok(new Set(data).size > 50);
});

test('an empty file, a page and other formats are named', async () => {
  await assert.rejects(decodeImage(new Uint8Array(0), { name: 'a.png' }), input(/^a\.png: is empty/));
  await assert.rejects(
    decodeImage(new TextEncoder().encode('<!doctype html>'), { name: 'b.jpg' }),
    input(/^b\.jpg: is no picture that pumice knows: it begins with 3c 21/),
  );
  await assert.rejects(
    decodeImage(fixtureBytes('photo.webp'), { name: 'c.webp' }),
    (e) => e instanceof UnsupportedError && /^c\.webp: is a WEBP file/.test(e.message),
  );
});

test('a picture of too many pixels is refused by its header', async () => {
  const png = fixtureBytes('rgb.png');
  new DataView(png.buffer).setUint32(16, 20000);
  new DataView(png.buffer).setUint32(20, 20000);
  await assert.rejects(decodeImage(png, { name: 'big.png' }), input(/^big\.png: too large: got 20000 x 20000, at most 100000000 pixels/));
  const jpeg = fixtureBytes('420.jpg');
  const frame = jpeg.findIndex((b, i) => b === 0xff && jpeg[i + 1] === 0xc0);
  new DataView(jpeg.buffer).setUint32(frame + 5, 0x4e204e20);
  await assert.rejects(decodeImage(jpeg, { name: 'big.jpg' }), input(/^big\.jpg: too large: got 20000 x 20000/));
  for (const [name, at] of [
    ['rgb.bmp', 18],
    ['palette.gif', 6],
  ] as const) {
    const bytes = fixtureBytes(name);
    const view = new DataView(bytes.buffer);
    if (name === 'rgb.bmp') for (const i of [at, at + 4]) view.setInt32(i, 20000, true);
    else view.setUint32(at, 0x4e204e20, true);
    await assert.rejects(decodeImage(bytes, { name }), input(/too large: got 20000 x 20000/));
  }
  await assert.rejects(decodeImage(fixtureBytes('rgb.png'), { maxPixels: 100 }), input(/at most 100 pixels/));
});

test('a picture without pixels is refused', async () => {
  const png = fixtureBytes('rgb.png');
  new DataView(png.buffer).setUint32(16, 0);
  await assert.rejects(decodeImage(png, { name: 'none.png' }), input(/^none\.png: has no pixels: got 0 x 47/));
});

test('a decoder of the caller is used for any format, and checked', async () => {
  const image = pattern(4, 3);
  assert.equal(await decodeImage(fixtureBytes('photo.webp'), { decoder: { decode: async () => image } }), image);
  await assert.rejects(
    decodeImage(new Uint8Array(9), { name: 'x', decoder: { decode: async () => ({ ...image, width: 5 }) } }),
    input(/^x: wrong amount of pixels: got 36 bytes for 5 x 3/),
  );
  await assert.rejects(
    decodeImage(new Uint8Array(9), { name: 'x', decoder: { decode: () => Promise.reject(new Error('no')) } }),
    input(/^x: cannot be decoded: no/),
  );
});
