// Key/value caches: pairs of tensors in the layouts of assembly/kernels/attention/layout.ts.

import { KEY_BLOCK, KV_F16, KV_F32, KV_I16, KV_Q8 } from '../../assembly/kernels/attention/layout.ts';
import { InputError, ShapeError } from '../errors.ts';
import type { Engine } from '../runtime/engine.ts';
import type { Memory } from '../runtime/memory.ts';
import { type Graph, newTensor } from './graph.ts';
import { byteSize, type DType, KV_LANES, kvPadded, type Storage, show, type Tensor } from './tensor.ts';

/** Types of caches of language models. */
export type KvType = 'kv-f32' | 'kv-f16' | 'kv-q8';
/** Types of caches that live in one piece within one run. */
export type WholeKvType = 'kv-f32' | 'kv-i16';

export interface Kv {
  readonly k: Tensor;
  readonly v: Tensor;
}

const KINDS: ReadonlyMap<DType, number> = new Map([
  ['kv-f32', KV_F32],
  ['kv-f16', KV_F16],
  ['kv-q8', KV_Q8],
  ['kv-i16', KV_I16],
]);

/** The kernels' number of a cache type. */
export function kvKind(op: string, t: Tensor): number {
  const kind = KINDS.get(t.dtype);
  if (kind === undefined) throw new ShapeError(`${op}: needs a key/value cache: got ${show(t)}`);
  return kind;
}

function newKv(kind: Storage['kind'], name: string, dtype: KvType | WholeKvType, kvHeads: number, capacity: number, dim: number): Kv {
  const shape = [kvHeads, Math.ceil(capacity / KV_LANES) * KV_LANES, dim];
  return { k: newTensor(kind, `${name} keys`, dtype, shape), v: newTensor(kind, `${name} values`, dtype, shape) };
}

/** A cache that lives within one run, from its first writer to its last reader: for towers. */
export const kvCache = (_: Graph, name: string, dtype: KvType | WholeKvType, kvHeads: number, capacity: number, dim: number): Kv =>
  newKv('arena', name, dtype, kvHeads, capacity, dim);

/** A cache in one piece that outlives runs and that programs share. */
export const fixedKv = (name: string, dtype: KvType | WholeKvType, kvHeads: number, capacity: number, dim: number): Kv =>
  newKv('fixed', name, dtype, kvHeads, capacity, dim);

/** A cache that outlives runs and takes memory as rows come: pages of KEY_BLOCK rows, `capacity` rows at most (`setKvRows`). */
export function pagedKv(name: string, dtype: KvType, kvHeads: number, capacity: number, dim: number): Kv {
  const pages = Math.ceil(capacity / KEY_BLOCK);
  const pageBytes = byteSize(dtype, [kvHeads, KEY_BLOCK, dim]);
  const paged = (t: Tensor): Tensor => ({ ...t, storage: { kind: 'fixed', name: t.name, bytes: 4 * pages, pageBytes } });
  const { k, v } = newKv('fixed', name, dtype, kvHeads, pages * KEY_BLOCK, dim);
  return { k: paged(k), v: paged(v) };
}

/** Rows of one piece of memory of a cache, as kernels want to know it. */
export const kvPiece = ({ shape, storage }: Tensor): { readonly rows: number; readonly paged: 0 | 1 } =>
  storage.pageBytes === undefined ? { rows: shape[1] as number, paged: 0 } : { rows: KEY_BLOCK, paged: 1 };

/** Gives a paged cache room for `rows` rows: takes pages, or gives those back that are not needed. Throws MemoryError. */
export function setKvRows(engine: Engine, { k, v }: Kv, rows: number): void {
  for (const { storage } of [k, v]) engine.setPages(storage, Math.ceil(rows / KEY_BLOCK));
}

/** Bytes that so many rows of a cache take, keys and values. */
export const kvBytes = ({ k }: Kv, rows: number): number => 2 * byteSize(k.dtype, [k.shape[0]!, rows, k.shape[2]!]);

/** Checks that k and v are caches of one form with `heads` heads of `dim`, and returns their capacity. */
export function kvCapacity(op: string, k: Tensor, v: Tensor, heads: number, dim: number): number {
  kvKind(op, k);
  const capacity = k.shape[1];
  if (k.dtype !== v.dtype || k.shape.length !== 3 || typeof capacity !== 'number' || k.shape[0] !== heads || k.shape[2] !== dim) {
    throw new ShapeError(`${op}: needs caches of ${heads} heads of ${dim}: got ${show(k)} and ${show(v)}`);
  }
  if (v.shape.some((d, i) => d !== k.shape[i])) throw new ShapeError(`${op}: caches must agree: got ${show(k)} and ${show(v)}`);
  return capacity;
}

/** The first `rows` rows of a fixed cache as f32 [kvHeads, rows, dim]. */
export function readKv(engine: Engine, kv: Kv, rows: number): { k: Float32Array; v: Float32Array } {
  const [heads, capacity, dim] = kv.k.shape as readonly [number, number, number];
  if (rows > capacity) throw new InputError(`readKv: more rows than ${show(kv.k)} holds: got ${rows}`);
  const piece = kvPiece(kv.k).rows;
  const read = (t: Tensor, index: (row: number, key: number, c: number) => number) => {
    const memory = engine.memoryOf(t.storage);
    const starts = t.storage.pageBytes === undefined ? [memory.address(t.storage) + t.offset] : memory.pages(t.storage);
    const values = starts.map((at) => valueReader(memory, t.dtype, at, heads * piece, dim));
    const out = new Float32Array(heads * rows * dim);
    let i = 0;
    for (let h = 0; h < heads; h++) {
      for (let row = 0; row < rows; row++) {
        const value = values[Math.floor(row / piece)]!;
        const key = row % piece;
        for (let c = 0; c < dim; c++) out[i++] = value(index(h * piece, key, c), h * piece + key);
      }
    }
    return out;
  };
  const padded = kvPadded(dim);
  const paired = kv.k.dtype === 'kv-q8' || kv.k.dtype === 'kv-i16' ? 1 : 0;
  /** Index in a block of rows and columns; of integers two rows stand side by side. */
  const inBlock = (row: number, column: number, width: number) => ((row >> paired) << paired) * width + (column << paired) + (row & paired);
  return {
    k: read(kv.k, (head, key, c) => {
      const from = key - (key % 32);
      return (head + from) * padded + inBlock(c, key % 32, Math.min(32, piece - from));
    }),
    v: read(kv.v, (head, key, c) => {
      const from = key - (key % 64);
      const strip = c - (c % 32);
      return (head + from) * padded + strip * Math.min(64, piece - from) + inBlock(key % 64, c % 32, Math.min(32, padded - strip));
    }),
  };
}

/** Reads the stored value at an index of a piece of a cache that begins at address `at`; `row` finds its scale. */
function valueReader({ bytes }: Memory, dtype: DType, at: number, rows: number, dim: number): (index: number, row: number) => number {
  const { buffer } = bytes;
  const size = rows * kvPadded(dim);
  if (dtype === 'kv-f32') {
    const x = new Float32Array(buffer, at, size);
    return (i) => x[i]!;
  }
  if (dtype === 'kv-f16') {
    const x = new Uint16Array(buffer, at, size);
    return (i) => kvHalf(x[i]!);
  }
  const x = dtype === 'kv-i16' ? new Int16Array(buffer, at, size) : new Int8Array(buffer, at, size);
  const scales = new Float32Array(buffer, at + x.byteLength, rows);
  return (i, row) => Math.fround(x[i]! * scales[row]!);
}

/** The value of 16 bits in the cache's own half precision: exponent bias 19, no subnormals, no infinities. */
export function kvHalf(bits: number): number {
  const size = bits & 0x7fff;
  const value = size < 0x400 ? 0 : (1024 + (size & 0x3ff)) * 2 ** ((size >> 10) - 29);
  return bits & 0x8000 ? -value : value;
}
