// Weights as files store them, packed by the kernel under test, and the family's tests: one function that every matmul calls.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dequantize } from '../src/formats/dequantize.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../src/formats/half.ts';
import { BLOCKS, type StorageType } from '../src/formats/tensors.ts';
import { fixedTensor, type Graph, newCell } from '../src/graph/graph.ts';
import { activated, matmulFor } from '../src/graph/linear.ts';
import { activationOf } from '../src/graph/matmul.ts';
import { pack } from '../src/graph/ops/pack.ts';
import { isBlockType, PACKED_BLOCKS, type PackedType, type Tensor } from '../src/graph/tensor.ts';
import type { Engine } from '../src/runtime/engine.ts';
import { close, coldEngine, engines, type Given, given, random, runGraph } from './harness.ts';

/** Stored rows and the values that they mean. */
export interface Weight {
  readonly from: StorageType;
  readonly rows: number;
  readonly cols: number;
  readonly bytes: Uint8Array;
  readonly values: Float64Array;
  /** Magnitudes that rounding errors are measured by, where values are differences: their own and those of both ends of their scale. */
  readonly sizes?: Float64Array;
}

/** Random stored rows. Quantized ones hold every extreme: -128, 127, nibbles 0 and 15, negative, zero and subnormal scales. */
export function weight(from: StorageType, rows: number, cols: number, seed: number): Weight {
  const { values: per, bytes: size } = BLOCKS[from];
  const count = (rows * cols) / per;
  const bytes = new Uint8Array(count * size);
  const view = new DataView(bytes.buffer);
  const values = new Float64Array(rows * cols);
  if (from.includes('_') && from !== 'q8_0' && from !== 'q4_0') return blockWeight(from, rows, cols, seed);
  const r = random(rows * cols, seed);
  const scales = random(count, seed + 1);
  for (let b = 0; b < count; b++) {
    const at = b * size;
    if (per === 1) {
      const v = b % 17 === 0 ? r[b]! * 2 ** -16 : r[b]!;
      if (from === 'f32') view.setFloat32(at, v, true);
      else view.setUint16(at, from === 'f16' ? f32ToF16(v) : f32ToBf16(v), true);
      values[b] = from === 'f32' ? v : from === 'f16' ? f16ToF32(f32ToF16(v)) : bf16ToF32(f32ToBf16(v));
      continue;
    }
    const half = f32ToF16(b % 7 === 3 ? 0 : b % 5 === 2 ? scales[b]! * 2 ** -18 : scales[b]! / 16);
    view.setUint16(at, half, true);
    for (let i = 0; i < 32; i++) {
      const u = b % 11 === 4 ? (i & 1) * 255 : b % 11 === 6 ? 0 : b % 11 === 8 ? 255 : Math.floor((r[b * 32 + i]! + 1) * 127.99);
      if (from === 'q8_0') view.setInt8(at + 2 + i, u - 128);
      else bytes[at + 2 + (i & 15)]! |= (u >> 4) << (i < 16 ? 0 : 4);
      values[b * 32 + i] = (from === 'q8_0' ? u - 128 : (u >> 4) - 8) * f16ToF32(half);
    }
  }
  return { from, rows, cols, bytes, values };
}

/** Where levels stand, in blocks whose values are a product less a min. */
const LEVELS: Readonly<Partial<Record<StorageType, readonly [number, number]>>> = {
  q4_1: [4, 20],
  q5_1: [4, 24],
  q4_k: [16, 144],
  q5_k: [16, 176],
  q2_k: [16, 80],
};

/** Where the half floats of a block stand: scales, and mins. */
const HALVES: Readonly<Partial<Record<StorageType, readonly number[]>>> = {
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  iq4_nl: [0],
  q4_k: [0, 2],
  q5_k: [0, 2],
  iq4_xs: [0],
  q6_k: [208],
  q3_k: [108],
  q2_k: [80, 82],
};

/** Random blocks; some of nothing but 0, 255 or both in turns, so that levels, scales and mins take all their extremes. */
function blockWeight(from: StorageType, rows: number, cols: number, seed: number): Weight {
  const { values: per, bytes: size } = BLOCKS[from];
  const count = (rows * cols) / per;
  const r = random(count * size, seed);
  const scales = random(2 * count, seed + 1);
  const bytes = Uint8Array.from(r, (v, i) => {
    const b = Math.floor(i / size);
    return b % 11 === 4 ? (i & 1) * 255 : b % 11 === 6 ? 0 : b % 11 === 8 ? 255 : Math.floor((v + 1) * 127.99);
  });
  const view = new DataView(bytes.buffer);
  for (let b = 0; b < count; b++) {
    for (const [i, at] of HALVES[from]!.entries()) {
      const scale = scales[2 * b + i]! / 16;
      view.setUint16(b * size + at, f32ToF16(b % 7 === 3 ? 0 : b % 5 === 2 ? scale * 2 ** -14 : scale), true);
    }
  }
  const values = Float64Array.from(dequantize(from, bytes));
  const levels = LEVELS[from];
  if (!levels) return { from, rows, cols, bytes, values };
  const [bottom, top] = [0, 255].map((fill) => {
    const all = bytes.slice();
    for (let b = 0; b < count; b++) all.fill(fill, b * size + levels[0], b * size + levels[1]);
    return dequantize(from, all);
  });
  return { from, rows, cols, bytes, values, sizes: values.map((v, i) => Math.abs(v) + Math.abs(bottom![i]!) + Math.abs(top![i]!)) };
}

/** Packs a weight in pieces of 16 rows into a fixed tensor whose memory held ones before. */
export function packed(engine: Engine, dtype: PackedType, w: Weight): Tensor {
  const dest = fixedTensor('w', dtype, [w.rows, w.cols]);
  engine.bytes.fill(255, engine.address(dest.storage), engine.address(dest.storage) + dest.storage.bytes);
  const bytes = w.bytes.length / w.rows;
  for (let first = 0; first < w.rows; first += 16) {
    const rows = Math.min(16, w.rows - first);
    const piece = given(w.bytes.subarray(first * bytes, (first + rows) * bytes), rows * bytes);
    runGraph(engine, [piece], (g, [source]) => {
      g.addAll(pack, [source!, dest], { from: w.from, firstRow: first, rows, cols: w.cols });
      return [];
    }).done();
  }
  return dest;
}

/** Activations with large, tiny, constant and zero blocks. */
export function activations(rows: number, cols: number, seed: number): Float32Array {
  const x = random(rows * cols, seed);
  return x.map((v, i) => {
    const block = Math.floor(i / 32) % 9;
    return block === 2 ? 0 : block === 4 ? v * 1e5 : block === 5 ? v * 1e-4 : block === 7 ? 3 : v;
  });
}

/** The definition of 8-bit rounding, in f64 except for the scale. Ties are left to chance: the inputs have none. */
export function roundedTo8(x: Float32Array, cols: number, per: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += cols) {
    for (let from = 0; from < cols; from += per) {
      const n = Math.min(per, cols - from);
      let max = 0;
      for (let i = 0; i < n; i++) max = Math.max(max, Math.abs(x[at + from + i]!));
      const d = Math.fround(max / 127);
      for (let i = 0; i < n && d > 0; i++) y[at + from + i] = Math.round(Math.fround(x[at + from + i]! * Math.fround(1 / d))) * d;
    }
  }
  return y;
}

export interface MatmulCase {
  readonly dtype: PackedType;
  readonly from: StorageType;
  readonly ks: readonly number[];
}

const activate = (g: Graph, c: MatmulCase, x: Tensor): Tensor => activated(g, x, c.dtype);

/** Activations that no other tensor may overwrite. */
function kept(engine: Engine, x: Float32Array, rows: number, cols: number): Tensor {
  const t = fixedTensor('x', 'f32', [rows, cols]);
  engine.writeFixed(t, x);
  return t;
}

/** Runs the op over given activations. */
function run(engine: Engine, c: MatmulCase, w: Tensor, x: Given, extra: { bias?: Given; residual?: Given } = {}): Float32Array {
  const rest = [extra.bias, extra.residual].filter((t) => t !== undefined);
  const r = runGraph(engine, [x, ...rest], (g, [x, ...rest]) => [
    g.add(matmulFor(c.dtype), [activate(g, c, x!), w, ...rest], { bias: extra.bias !== undefined, residual: extra.residual !== undefined }),
  ]);
  const y = r.read();
  r.done();
  return y;
}

/** Reference in f64 and, for each result, the sum of magnitudes that bounds its rounding error. */
function reference(
  c: MatmulCase,
  x: Float32Array,
  w: Weight,
  bias?: Float32Array,
  residual?: Float32Array,
): { y: Float64Array; size: Float64Array } {
  const k = w.cols;
  const form = activationOf(c.dtype);
  const a = form === 'f32' ? x : roundedTo8(x, k, form === 'q8' ? 32 : 256);
  const rows = x.length / k;
  const y = new Float64Array(rows * w.rows);
  const size = new Float64Array(y.length);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < w.rows; o++) {
      const at = r * w.rows + o;
      for (let i = 0; i < k; i++) {
        const p = a[r * k + i]! * w.values[o * k + i]!;
        y[at]! += p;
        size[at]! += Math.abs(w.sizes ? a[r * k + i]! * w.sizes[o * k + i]! : p);
      }
      y[at]! += (bias?.[o] ?? 0) + (residual?.[at] ?? 0);
      size[at]! += Math.abs(bias?.[o] ?? 0) + Math.abs(residual?.[at] ?? 0);
    }
  }
  return { y, size };
}

function near(got: Float32Array, { y, size }: { y: Float64Array; size: Float64Array }, k: number): void {
  close(
    got.map((v, i) => (v - y[i]!) / (size[i]! || 1)),
    new Float32Array(y.length),
    3e-7 + k * 1e-8,
    0,
    'relative to the sum of magnitudes',
  );
}

const SIZES = [
  [1, 1],
  [1, 33],
  [2, 7],
  [3, 8],
  [4, 9],
  [5, 24],
  [7, 8],
  [8, 33],
  [9, 7],
  [17, 24],
] as const;

/** All tests of one op of the family. */
export async function testMatmul(c: MatmulCase): Promise<void> {
  const all = await engines();
  const { name } = matmulFor(c.dtype);
  const wide = isBlockType(c.dtype) ? PACKED_BLOCKS[c.dtype].cols : 32;
  for (const k of c.ks) {
    for (const [rows, n] of SIZES) {
      const w = weight(c.from, n, k, rows + n + k);
      const x = activations(rows, k, n);
      const extras = [
        {},
        { bias: given(random(n, 5), n) },
        { residual: given(random(rows * n, 6), rows, n) },
        { bias: given(random(n, 5), n), residual: given(random(rows * n, 6), rows, n) },
      ];
      const extra = extras[(rows + n + (k >> 5)) % 4]!;
      const want = reference(c, x, w, extra.bias?.data as Float32Array | undefined, extra.residual?.data as Float32Array | undefined);
      test(`${name} from ${c.from} [${rows}, ${k}] x [${n}, ${k}] ${Object.keys(extra).join(' ')}`, () => {
        let bits: Uint8Array | undefined;
        for (const { engine, name: build } of all) {
          const y = run(engine, c, packed(engine, c.dtype, w), given(x, rows, k), extra);
          near(y, want, k);
          bits ??= new Uint8Array(y.buffer);
          assert.deepEqual(new Uint8Array(y.buffer), bits, `${build} differs from ${all[0]!.name}`);
        }
      });
    }
  }

  test(`${name} gives a row the same bits alone and among others, cold and hot`, async () => {
    const rows = 11,
      n = 40,
      k = 5 * wide;
    const w = weight(c.from, n, k, 1);
    const x = activations(rows, k, 2);
    for (const build of new Set(all.map((e) => e.build))) {
      const engine = await coldEngine(build);
      const t = packed(engine, c.dtype, w);
      const y = run(engine, c, t, given(x, rows, k));
      for (let r = 0; r < rows; r++) {
        assert.deepEqual(run(engine, c, t, given(x.slice(r * k, (r + 1) * k), 1, k)), y.slice(r * n, (r + 1) * n), `${build}, row ${r}`);
      }
      const again = runGraph(engine, [], (g) => [
        g.add(matmulFor(c.dtype), [activate(g, c, kept(engine, x, rows, k)), t], { bias: false, residual: false }),
      ]);
      for (let i = 0; i < 2000; i++) engine.runNow(again.program);
      assert.deepEqual(again.read(), y, `${build}, after 2000 runs`);
      await engine.dispose();
    }
  });

  test(`${name} reads its rows from a cell and writes no others`, () => {
    const { engine } = all[0]!;
    const rows = newCell('rows', 9);
    const w = packed(engine, c.dtype, weight(c.from, 8, 2 * wide, 1));
    const x = activations(9, 2 * wide, 3);
    const full = run(engine, c, w, given(x, 9, 2 * wide));
    engine.setCell(rows, 5);
    const r = runGraph(engine, [], (g) => {
      const limited: Tensor = { ...kept(engine, x, 9, 2 * wide), shape: [rows, 2 * wide] };
      return [g.add(matmulFor(c.dtype), [activate(g, c, limited), w], { bias: false, residual: false })];
    });
    assert.deepEqual(r.read(), full.slice(0, 40));
    assert.ok(engine.read(r.program, 'out0', 9).subarray(40).every(Number.isNaN));
    r.done();
  });
}
