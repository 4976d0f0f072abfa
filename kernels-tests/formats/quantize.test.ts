import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Quantizer } from '../../src/convert/quantizer.ts';
import { FormatError, ShapeError, UnsupportedError } from '../../src/errors.ts';
import { dequantize } from '../../src/formats/dequantize.ts';
import { BLOCKS, type StorageType } from '../../src/formats/tensors.ts';
import { nodePlatform } from '../../src/runtime/node.ts';

const quantizer = await Quantizer.create(nodePlatform, { threads: 2 });
after(() => quantizer.dispose());
const quantize = quantizer.quantize.bind(quantizer);

const random = (count: number): Float32Array => {
  let s = 1;
  return Float32Array.from({ length: count }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return (s / 2 ** 32 - 0.5) * 0.1;
  });
};
/** Root of the mean squared error over the root of the mean square. */
const error = (x: Float32Array, y: Float32Array): number =>
  Math.sqrt(x.reduce((n, v, i) => n + (v - y[i]!) ** 2, 0) / x.reduce((n, v) => n + v * v, 0));

// What a uniform distribution loses: a bit less than half for each bit more.
const LIMITS: readonly (readonly [StorageType, number])[] = [
  ['f32', 0],
  ['f16', 0.0004],
  ['bf16', 0.003],
  ['q8_0', 0.005],
  ['q6_k', 0.02],
  ['q5_k', 0.03],
  ['q5_1', 0.03],
  ['q5_0', 0.04],
  ['q4_k', 0.06],
  ['q4_1', 0.07],
  ['q4_0', 0.08],
  ['iq4_nl', 0.09],
  ['iq4_xs', 0.09],
  ['q3_k', 0.15],
  ['q2_k', 0.3],
];

for (const [type, limit] of LIMITS) {
  test(`${type}: the error is that of its bits, with importance and without`, async () => {
    const x = random(3 * 512);
    const importance = random(512).map((v) => 1 + 5 * v);
    for (const w of [null, importance]) {
      const bytes = await quantize(type, x, 512, w);
      assert.equal(bytes.length, (x.length / BLOCKS[type].values) * BLOCKS[type].bytes);
      const got = error(x, dequantize(type, bytes));
      assert.ok(got <= limit, `${got}`);
    }
  });

  test(`${type}: zeros stay zeros, rows do not depend on each other`, async () => {
    const x = random(4 * 256).fill(0, 256, 512);
    const bytes = await quantize(type, x, 256);
    assert.deepEqual(dequantize(type, bytes).subarray(256, 512).map(Math.abs), new Float32Array(256));
    for (let r = 0; r < 4; r++) {
      const rowBytes = bytes.length / 4;
      assert.deepEqual(await quantize(type, x.slice(256 * r, 256 * (r + 1)), 256), bytes.slice(rowBytes * r, rowBytes * (r + 1)));
    }
  });
}

test('what cannot be stored is refused by name', async () => {
  await assert.rejects(quantize('q4_k', random(128), 128), ShapeError);
  await assert.rejects(quantize('q4_0', random(64), 64, random(32)), ShapeError);
  await assert.rejects(quantize('i32', random(64), 64), UnsupportedError);
  await assert.rejects(
    quantize('q4_0', random(64).fill(Number.NaN, 40, 41), 32),
    (e: unknown) => e instanceof FormatError && e.code === 'not_finite' && /row 1/.test(e.message),
  );
});
