import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError } from '../../src/errors.ts';
import { dequantize } from '../../src/formats/dequantize.ts';
import type { StorageType, TensorFiles, TensorInfo } from '../../src/formats/tensors.ts';
import { withViews } from '../../src/formats/views.ts';

function files(tensors: Readonly<Record<string, { type: StorageType; shape: number[]; data: Uint8Array }>>): TensorFiles {
  return {
    name: 'memory',
    tensors: new Map(
      Object.entries(tensors).map(([name, t]): [string, TensorInfo] => [
        name,
        { name, type: t.type, shape: t.shape, bytes: t.data.length },
      ]),
    ),
    async readInto({ name }, target, from = 0) {
      target.set(tensors[name]!.data.subarray(from, from + target.length));
    },
    async close() {},
  };
}

const bytes = (x: Float32Array | Uint16Array) => new Uint8Array(x.buffer);
const count = (n: number) => Array.from({ length: n }, (_, i) => i);

async function read(f: TensorFiles, name: string, piece: number): Promise<Uint8Array> {
  const info = f.tensors.get(name)!;
  const all = new Uint8Array(info.bytes);
  for (let at = 0; at < all.length; at += piece) await f.readInto(info, all.subarray(at, at + piece), at);
  return all;
}

test('rows of a stacked tensor, read in pieces', async () => {
  const f = withViews(files({ qkv: { type: 'f32', shape: [6, 2], data: bytes(Float32Array.from(count(12))) } }), [
    { name: 'q', of: 'qkv', from: 0, count: 2 },
    { name: 'v', of: 'qkv', from: 4, count: 2 },
    { name: 'not there', of: 'nothing', from: 0, count: 1 },
  ]);
  assert.deepEqual([...f.tensors.keys()], ['q', 'v']);
  assert.deepEqual(f.tensors.get('v')!.shape, [2, 2]);
  assert.deepEqual([...new Float32Array((await read(f, 'v', 6)).buffer)], [8, 9, 10, 11]);
});

test('a transposed matrix keeps its type, or becomes f32 where it is quantized', async () => {
  const [rows, cols] = [35, 64];
  const values = Uint16Array.from(count(rows * cols));
  const stored = Uint8Array.from({ length: rows * 2 * 34 }, (_, i) => (i % 34 === 1 ? 0x20 : (i * 7) % 256));
  const f = withViews(
    files({ half: { type: 'f16', shape: [rows, cols], data: bytes(values) }, q8: { type: 'q8_0', shape: [rows, cols], data: stored } }),
    [
      { name: 'half.t', of: 'half', transposed: true },
      { name: 'q8.t', of: 'q8', transposed: true },
    ],
  );
  // Twice: what was held in between is read again.
  for (const piece of [128, 1000]) {
    const half = new Uint16Array((await read(f, 'half.t', piece)).buffer);
    const q8 = new Float32Array((await read(f, 'q8.t', piece)).buffer);
    const want = dequantize('q8_0', stored);
    assert.deepEqual(f.tensors.get('q8.t')!.shape, [cols, rows]);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        assert.equal(half[c * rows + r], values[r * cols + c]);
        assert.equal(q8[c * rows + r], want[r * cols + c]);
      }
    }
  }
});

test('views that do not fit are named', () => {
  const f = files({ x: { type: 'f32', shape: [4], data: new Uint8Array(16) } });
  assert.throws(
    () => withViews(f, [{ name: 'y', of: 'x', from: 3, count: 2 }]),
    (e) => e instanceof FormatError && /memory: x: has too few rows: got \[4\], expected 5 or more/.test(e.message),
  );
  assert.throws(() => withViews(f, [{ name: 'y', of: 'x', transposed: true }]), /memory: x: is no matrix: got \[4\]/);
});
