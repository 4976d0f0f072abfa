import assert from 'node:assert/strict';
import { test } from 'node:test';
import { centered, copyWindow, crop, squareAround } from '../../src/image/image.ts';
import { pattern } from './pattern.ts';

const pixel = (image: { width: number; data: Uint8Array }, x: number, y: number) => [
  ...image.data.subarray(3 * (y * image.width + x), 3 * (y * image.width + x) + 3),
];

test('crop takes from inside and fills outside', () => {
  const image = pattern(4, 3);
  for (const window of [
    { left: 1, top: 1, width: 2, height: 2 },
    { left: -2, top: -1, width: 9, height: 7 },
    { left: 2, top: -2, width: 5, height: 3 },
    { left: 9, top: 9, width: 2, height: 2 },
    { left: -9, top: 0, width: 3, height: 3 },
  ]) {
    const got = crop(image, window, [1, 2, 3]);
    for (let y = 0; y < window.height; y++) {
      for (let x = 0; x < window.width; x++) {
        const [u, v] = [x + window.left, y + window.top];
        const inside = u >= 0 && u < 4 && v >= 0 && v < 3;
        assert.deepEqual(pixel(got, x, y), inside ? pixel(image, u, v) : [1, 2, 3], `${JSON.stringify(window)} at ${x},${y}`);
      }
    }
  }
});

test('odd pixels go where the reference puts them', () => {
  assert.deepEqual(squareAround({ width: 4, height: 7, data: new Uint8Array() }), { left: -1, top: 0, width: 7, height: 7 });
  assert.deepEqual(squareAround({ width: 9, height: 4, data: new Uint8Array() }), { left: 0, top: -2, width: 9, height: 9 });
  assert.deepEqual(centered({ width: 9, height: 8, data: new Uint8Array() }, 4, 4), { left: 2, top: 2, width: 4, height: 4 });
});

test('rows with spare bytes', () => {
  const image = pattern(2, 2);
  const target = new Uint8Array(20).fill(9);
  copyWindow(image, { left: 0, top: 0, width: 2, height: 2 }, [0, 0, 0], target, 10);
  assert.deepEqual([...target], [...image.data.subarray(0, 6), 9, 9, 9, 9, ...image.data.subarray(6), 9, 9, 9, 9]);
});
