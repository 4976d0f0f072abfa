import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../src/errors.ts';
import type { Filter } from '../../src/image/filters.ts';
import { crop, squareAround } from '../../src/image/image.ts';
import { resize } from '../../src/image/resize.ts';
import { engines } from '../harness.ts';
import { fixtureJson, pattern, sha256 } from './pattern.ts';

interface Case {
  readonly filter: Filter;
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly sha256: string;
}

const cases = fixtureJson<readonly Case[]>('resize.json');
const all = await engines();

for (const { name, engine } of all) {
  test(`resize ${name}: Pillow's bytes with every filter`, async () => {
    for (const c of cases) {
      const got = await resize(pattern(...c.from), c.to[0], c.to[1], engine, { filter: c.filter });
      assert.deepEqual(
        [got.width, got.height, sha256(got.data)],
        [...c.to, c.sha256],
        `${c.filter} ${c.from.join('x')} to ${c.to.join('x')}`,
      );
    }
  });
}

const { engine } = all[0]!;

test('resize of a window equals resize of the padded picture', async () => {
  for (const [w, h] of [
    [97, 61],
    [40, 83],
  ] as const) {
    const image = pattern(w, h);
    const window = squareAround(image);
    const fill = [122, 116, 104] as const;
    for (const side of [33, 97, 150]) {
      assert.deepEqual(
        await resize(image, side, side, engine, { window, fill }),
        await resize(crop(image, window, fill), side, side, engine),
      );
    }
  }
});

test('resize in several bands equals resize in one', async () => {
  // A row of 30000 pixels takes 90 kB: 100 rows are three bands.
  const image = pattern(30000, 100);
  const whole = await resize(image, 7, 100, engine);
  for (const y of [0, 45, 46, 92, 99]) {
    const row = await resize(crop(image, { left: 0, top: y, width: 30000, height: 1 }), 7, 1, engine);
    assert.deepEqual(row.data, whole.data.slice(21 * y, 21 * y + 21), `row ${y}`);
  }
});

test('resize to the same size copies', async () => {
  const image = pattern(9, 7);
  const same = await resize(image, 9, 7, engine);
  assert.deepEqual(same, image);
  assert.notEqual(same.data, image.data);
});

test('resize refuses sizes without pixels or without bounds', async () => {
  const image = pattern(9, 7);
  await assert.rejects(
    resize(image, 0, 5, engine),
    (e) => e instanceof InputError && /no pixels are left: got 0 x 5 from 9 x 7/.test(e.message),
  );
  await assert.rejects(resize(image, 30000, 30000, engine), (e) => e instanceof InputError && /too large/.test(e.message));
});
