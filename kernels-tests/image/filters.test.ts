import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COEFFICIENT_BITS, coefficients, type Filter, LOW_BITS, resizeTable } from '../../src/image/filters.ts';

const FILTERS: readonly Filter[] = ['box', 'bilinear', 'bicubic', 'lanczos'];
const SIZES = [
  [1, 1],
  [1, 9],
  [9, 1],
  [640, 336],
  [336, 640],
  [4000, 336],
  [1000, 999],
] as const;

test('coefficients of a sample sum to one within rounding, and stay inside the input', () => {
  for (const filter of FILTERS) {
    for (const [from, to] of SIZES) {
      const { first, count, values, taps } = coefficients(from, to, filter);
      for (let x = 0; x < to; x++) {
        const own = values.subarray(x * taps, x * taps + count[x]!);
        const sum = own.reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 2 ** COEFFICIENT_BITS) <= own.length, `${filter} ${from} to ${to} [${x}]: sum ${sum}`);
        assert.ok(
          first[x]! >= 0 && first[x]! + count[x]! <= from && count[x]! > 0 && count[x]! <= taps,
          `${filter} ${from} to ${to} [${x}]`,
        );
      }
    }
  }
});

test('the halves of the table give the coefficients back', () => {
  for (const filter of FILTERS) {
    for (const [from, to] of SIZES) {
      const { first, count, values, taps } = coefficients(from, to, filter);
      const { words, cols } = resizeTable(from, to, filter);
      for (let x = 0; x < to; x++) {
        assert.deepEqual([words[x * cols], words[x * cols + 1]], [first[x], Math.ceil(count[x]! / 2)]);
        for (let i = 0; i < count[x]!; i++) {
          const at = x * cols + 2 + (i & ~1);
          const half = (word: number) => (i & 1 ? word >> 16 : (word << 16) >> 16);
          assert.equal(
            half(words[at]!) * 2 ** LOW_BITS + half(words[at + 1]!),
            values[x * taps + i],
            `${filter} ${from} to ${to} [${x}, ${i}]`,
          );
        }
      }
    }
  }
});
