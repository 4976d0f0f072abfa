import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planPaperSlices, planSlices, preResized } from '../../src/image/slices.ts';

const settings = { resolution: 336, patch: 14, maxSlices: 7 };
const size = (width: number, height: number) => ({ width, height });

test('known pictures', () => {
  assert.deepEqual(planSlices(size(640, 480), settings).cut?.grid, size(2, 2));
  assert.deepEqual(planSlices(size(672, 1088), settings), { overview: size(252, 420), cut: { grid: size(2, 3), slice: size(322, 336) } });
  // Small pictures are enlarged to the area of a slice, not cut.
  assert.deepEqual(planSlices(size(1, 1), settings), { overview: size(336, 336) });
  // Of two grids of six a square takes three columns.
  assert.deepEqual(planSlices(size(1024, 1024), settings).cut?.grid, size(3, 2));
});

test('every plan is whole patches, and no more slices than allowed', () => {
  for (let i = 0; i < 3000; i++) {
    const picture = size(1 + ((i * 7919) % 4001), 1 + ((i * 104729) % 3989));
    for (const maxSlices of [1, 2, 6, 7, 9]) {
      const { overview, cut } = planSlices(picture, { ...settings, maxSlices });
      for (const s of cut ? [overview, cut.slice] : [overview]) {
        assert.ok(s.width >= 14 && s.height >= 14 && s.width % 14 === 0 && s.height % 14 === 0, JSON.stringify({ picture, s }));
      }
      assert.ok(!cut || (cut.grid.width * cut.grid.height <= maxSlices && cut.grid.width * cut.grid.height > 1));
    }
    const { boxes } = planPaperSlices(picture, { ...settings, maxSlices: 6 });
    // Boxes of the paper cover the picture without gaps.
    assert.equal(
      boxes.reduce((n, b) => n + b.width * b.height, 0),
      picture.width * picture.height,
    );
  }
});

test('the longer side before slicing', () => {
  assert.deepEqual(preResized(size(49, 49), 1024), size(1023, 1024)); // sic: 1024 / 49 * 49 is a little less than 1024
  assert.deepEqual(preResized(size(160, 100), 1024), size(1024, 640));
  assert.deepEqual(preResized(size(1, 10000), 1024), size(0, 1024));
});
