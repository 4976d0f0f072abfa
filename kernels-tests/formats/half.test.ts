import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bf16ToF32, f16ToF32, f32Bits, f32FromBits, f32ToBf16, f32ToF16 } from '../../src/formats/half.ts';

test('every f16 survives the way to f32 and back', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = f16ToF32(bits);
    if (Number.isNaN(value)) assert.equal(f32ToF16(value) & 0x7fff, 0x7e00);
    else assert.equal(f32ToF16(value), bits, `bits ${bits}, value ${value}`);
  }
});

test('f16 values by definition', () => {
  const known: [number, number][] = [
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ];
  for (const [bits, value] of known) assert.equal(f16ToF32(bits), value);
  assert.ok(Object.is(f16ToF32(0x8000), -0));
});

test('f32 to f16 rounds to nearest even between all neighbours', () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const low = f16ToF32(bits);
    const high = f16ToF32(bits + 1);
    const middle = (low + high) / 2; // exact in f32: one more bit than f16 has
    assert.equal(f32ToF16(middle), bits % 2 === 0 ? bits : bits + 1, `half-way above ${low}`);
    assert.equal(f32ToF16(f32FromBits(f32Bits(middle) - 1)), bits);
    assert.equal(f32ToF16(f32FromBits(f32Bits(middle) + 1)), bits + 1);
    assert.equal(f32ToF16(-middle), 0x8000 | (bits % 2 === 0 ? bits : bits + 1));
  }
  assert.equal(f32ToF16(65519.996), 0x7bff);
  assert.equal(f32ToF16(65520), 0x7c00);
  assert.equal(f32ToF16(-1e30), 0xfc00);
  assert.equal(f32ToF16(2 ** -26), 0);
});

test('bf16: exact one way, nearest even the other, NaN stays NaN', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = bf16ToF32(bits);
    if (!Number.isNaN(value)) assert.equal(f32ToBf16(value), bits);
  }
  assert.equal(f32ToBf16(f32FromBits(0x3f808000)), 0x3f80);
  assert.equal(f32ToBf16(f32FromBits(0x3f818000)), 0x3f82);
  assert.equal(f32ToBf16(f32FromBits(0x3f808001)), 0x3f81);
  assert.equal(f32ToBf16(3.4e38), 0x7f80);
  assert.ok(Number.isNaN(bf16ToF32(f32ToBf16(NaN))));
});
