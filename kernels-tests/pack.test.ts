import assert from 'node:assert/strict';
import { test } from 'node:test';
import { f32ToBf16, f32ToF16 } from '../src/formats/half.ts';
import type { StorageType } from '../src/formats/tensors.ts';
import { fixedTensor, Graph } from '../src/graph/graph.ts';
import { pack } from '../src/graph/ops/pack.ts';
import type { PackedType } from '../src/graph/tensor.ts';
import { engines } from './harness.ts';
import { packed, type Weight, weight } from './matmul.ts';

/** Place of row r among 8 half floats. */
const place = (r: number): number => [0, 2, 4, 6, 1, 3, 5, 7][r]!;

/** The layouts, as the matmul kernels describe them, value by value. */
function layout(dtype: PackedType, w: Weight): Uint8Array {
  const groups = Math.ceil(w.rows / 8);
  const unit =
    dtype === 'packed-f32' ? 32 : dtype === 'packed-f16' || dtype === 'packed-bf16' ? 16 : dtype === 'packed-q8' ? 272 / 32 : 144 / 32;
  const bytes = new Uint8Array(groups * w.cols * unit);
  const view = new DataView(bytes.buffer);
  const stored = w.bytes.length / w.rows;
  for (let row = 0; row < w.rows; row++) {
    const r = row & 7;
    const base = (row >> 3) * w.cols * unit;
    for (let k = 0; k < w.cols; k++) {
      const value = w.values[row * w.cols + k]!;
      if (dtype === 'packed-f32') view.setFloat32(base + k * 32 + 4 * r, value, true);
      if (dtype === 'packed-f16') view.setUint16(base + k * 16 + 2 * place(r), f32ToF16(value), true);
      if (dtype === 'packed-bf16') view.setUint16(base + k * 16 + 2 * place(r), f32ToBf16(value), true);
      if (dtype === 'packed-f32' || dtype === 'packed-f16' || dtype === 'packed-bf16') continue;
      const b = k >> 5;
      const i = k & 31;
      const size = dtype === 'packed-q8' ? 34 : 18;
      const from = row * stored + b * size;
      const at = base + b * unit * 32;
      view.setUint16(at + 2 * place(r), w.bytes[from]! | (w.bytes[from + 1]! << 8), true);
      if (dtype === 'packed-q8') bytes[at + 16 + (i >> 2) * 32 + r * 4 + (i & 3)] = w.bytes[from + 2 + i]! ^ 128;
      else if (i < 16) bytes[at + 16 + (i >> 2) * 32 + r * 4 + (i & 3)] = w.bytes[from + 2 + i]!;
    }
  }
  // Rows that are missing in the last group are zero bytes.
  return bytes;
}

const PAIRS: readonly (readonly [StorageType, PackedType])[] = [
  ['f32', 'packed-f32'],
  ['f16', 'packed-f32'],
  ['bf16', 'packed-f32'],
  ['f32', 'packed-f16'],
  ['f16', 'packed-f16'],
  ['bf16', 'packed-f16'],
  ['bf16', 'packed-bf16'],
  ['q8_0', 'packed-q8'],
  ['q4_0', 'packed-q4'],
];

const all = await engines();
for (const [from, dtype] of PAIRS) {
  for (const [rows, cols] of [
    [8, 32],
    [1, 32],
    [21, 64],
    [40, 96],
    ...(dtype === 'packed-f32' || dtype === 'packed-f16' || dtype === 'packed-bf16'
      ? ([
          [9, 33],
          [7, 1],
          [8, 5],
        ] as const)
      : []),
  ] as const) {
    test(`pack ${from} as ${dtype} [${rows}, ${cols}]`, () => {
      const w = weight(from, rows, cols, rows + cols);
      const want = layout(dtype, w);
      for (const { name, engine } of all) {
        const t = packed(engine, dtype, w);
        const at = engine.address(t.storage);
        assert.deepEqual(engine.bytes.slice(at, at + want.length), want, name);
        engine.release(t.storage);
      }
    });
  }
}

/** The definitions of Q8_0 and Q4_0: bytes of the quantized rows. */
function quantized(to: 'q8_0' | 'q4_0', w: Weight): Weight {
  const size = to === 'q8_0' ? 34 : 18;
  const bytes = new Uint8Array((w.values.length / 32) * size);
  const view = new DataView(bytes.buffer);
  const f = Math.fround;
  for (let b = 0; b < w.values.length / 32; b++) {
    const x = w.values.subarray(b * 32, b * 32 + 32);
    const largest = x.reduce((m, v) => (Math.abs(v) > Math.abs(m) ? v : m), 0);
    const d = to === 'q8_0' ? f(Math.abs(largest) / 127) : f(largest / -8);
    const inverse = d ? f(1 / d) : 0;
    view.setUint16(b * size, f32ToF16(d), true);
    x.forEach((v, i) => {
      const q = f(v * inverse);
      if (to === 'q8_0') view.setInt8(b * size + 2 + i, Math.sign(q) * Math.round(Math.abs(q)));
      else bytes[b * size + 2 + (i & 15)]! |= Math.min(15, Math.trunc(f(q + 8.5))) << (i < 16 ? 0 : 4);
    });
  }
  return { ...w, bytes };
}

for (const from of ['f32', 'f16', 'bf16'] as const) {
  for (const [dtype, to] of [
    ['packed-q8', 'q8_0'],
    ['packed-q4', 'q4_0'],
  ] as const) {
    test(`pack quantizes ${from} to ${dtype}`, () => {
      const w = weight(from, 21, 96, 5);
      const want = layout(dtype, quantized(to, w));
      for (const { name, engine } of all) {
        const t = packed(engine, dtype, w);
        const at = engine.address(t.storage);
        assert.deepEqual(engine.bytes.slice(at, at + want.length), want, name);
        engine.release(t.storage);
      }
    });
  }
}

test('pack says what does not fit', () => {
  const g = new Graph('load');
  const source = g.input('piece', 'u8', [18 * 8]);
  const w = fixedTensor('blk.0.attn_q.weight', 'packed-q4', [16, 32]);
  const run = (p: { from?: StorageType; firstRow?: number; rows?: number; cols?: number }) => () =>
    g.addAll(pack, [source, w], { from: 'q4_0', firstRow: 0, rows: 8, cols: 32, ...p });
  assert.throws(run({ from: 'q8_0' }), /pack: cannot store q8_0 as blk\.0\.attn_q\.weight packed-q4\[16, 32\]/);
  assert.throws(run({ cols: 64 }), /rows must be as wide as the weight/);
  assert.throws(run({ firstRow: 4 }), /multiples of 8 rows: got 4/);
  assert.throws(run({ firstRow: 16 }), /rows outside the weight: got 16 \+ 8/);
  assert.throws(run({ rows: 16 }), /source is too small: got piece u8\[144\], expected 288 bytes/);
});
