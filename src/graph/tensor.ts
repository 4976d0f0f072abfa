// Symbolic tensors: what the graph knows before any memory is given.
//
// A dimension is a number or a cell: an i32 in linear memory that the host or a kernel sets, with a declared upper bound.
// A tensor is a window onto a storage; several tensors may look at one storage (views).

import { ShapeError } from '../errors.ts';

/** A size that is known only while the program runs. Its identity is the object; programs that share it share the word in memory. */
export interface Cell {
  readonly name: string;
  /** Buffers are sized by this bound. */
  readonly max: number;
}

export type Dim = number | Cell;

/** Element types of tensors in linear memory. `packed-*` are weight matrices in the layouts of assembly/kernels/matmul; `q8` and `q8-256` are rows of activations quantized per 32 or per 256; `kv-*` are key/value caches. */
export type DType = 'f32' | 'i32' | 'u8' | 'q8' | 'q8-256' | 'kv-f32' | 'kv-f16' | 'kv-q8' | 'kv-i16' | PackedType;
export type PackedType = 'packed-f32' | 'packed-f16' | 'packed-bf16' | 'packed-q8' | 'packed-q4' | BlockType;
/** Weights as GGUF's block types define them, see assembly/families/blocks.ts. */
export type BlockType =
  | 'packed-q4_1'
  | 'packed-q5_0'
  | 'packed-q5_1'
  | 'packed-iq4_nl'
  | 'packed-q4_k'
  | 'packed-q5_k'
  | 'packed-iq4_xs'
  | 'packed-q6_k'
  | 'packed-q3_k'
  | 'packed-q2_k';

/** Where bytes live. `arena`: planned by liveness, valid within one run. `fixed`: placed once by the engine (weights, caches, tables). */
export interface Storage {
  readonly kind: 'arena' | 'fixed';
  readonly name: string;
  readonly bytes: number;
  /** Given: the storage is a table of the addresses of pages, each of so many bytes (`Memory.setPages`). */
  readonly pageBytes?: number;
}

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly storage: Storage;
  /** Bytes from the start of the storage. */
  readonly offset: number;
  /** Elements from one row to the next; equals the last dimension unless this is a column window. */
  readonly stride: number;
}

/** What an op says about a result before it gets a name and a storage. */
export interface TensorSpec {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** Bytes of a storage, with all the pages that its table can name. */
export const fullBytes = ({ bytes, pageBytes = 0 }: Storage): number => bytes + (bytes / 4) * pageBytes;

export const maxOf = (d: Dim): number => (typeof d === 'number' ? d : d.max);

/** Rows of a tensor seen as a matrix: the product of all dimensions but the last. At most one of them is a cell, and then it is the only one that is not 1. */
export function rowsOf(shape: readonly Dim[]): Dim {
  let fixed = 1;
  let cell: Cell | undefined;
  for (const d of shape.slice(0, -1)) {
    if (typeof d === 'number') fixed *= d;
    else cell = d;
  }
  if (cell && fixed !== 1)
    throw new ShapeError(`rows: a cell cannot be multiplied: got [${showShape(shape)}], split the last dimension instead`);
  return cell ?? fixed;
}

/** The last dimension, which is always a number. */
export function colsOf(shape: readonly Dim[]): number {
  const last = shape.at(-1);
  return typeof last === 'number' ? last : 1;
}

/** Elements at the upper bounds. */
export const maxSize = (shape: readonly Dim[]): number => shape.reduce<number>((n, d) => n * maxOf(d), 1);

/** `name dtype[2, ≤512]`, for messages. */
export const show = (t: { name: string; dtype: DType; shape: readonly Dim[] }): string => `${t.name} ${t.dtype}[${showShape(t.shape)}]`;
export const showShape = (shape: readonly Dim[]): string =>
  shape.map((d) => (typeof d === 'number' ? String(d) : `${d.name}≤${d.max}`)).join(', ');

const ceil = (n: number, to: number): number => Math.ceil(n / to);

/** Output rows that a packed matrix interleaves. */
export const PACK_ROWS = 8;

/** Bytes of the quantized form of one activation row of `cols` values: per 32 an f32 scale, an i32 sum, the values as i8 or i16 (the build decides; room for i16) and their f32 sum; per 256 an f32 scale, 24 i16 sums, the values. */
export const q8RowBytes = (cols: number, per: 32 | 256): number => ceil(cols, per) * (per === 256 ? 564 : 76);

/** Columns of a super-block of each block type, and its bytes for 8 rows. */
export const PACKED_BLOCKS: Readonly<Record<BlockType, { readonly cols: 32 | 256; readonly bytes: number }>> = {
  'packed-q4_1': { cols: 32, bytes: 160 },
  'packed-q5_0': { cols: 32, bytes: 176 },
  'packed-q5_1': { cols: 32, bytes: 192 },
  'packed-iq4_nl': { cols: 32, bytes: 144 },
  'packed-q4_k': { cols: 256, bytes: 1184 },
  'packed-q5_k': { cols: 256, bytes: 1440 },
  'packed-iq4_xs': { cols: 256, bytes: 1104 },
  'packed-q6_k': { cols: 256, bytes: 1680 },
  'packed-q3_k': { cols: 256, bytes: 912 },
  'packed-q2_k': { cols: 256, bytes: 672 },
};

export const isBlockType = (dtype: DType): dtype is BlockType => dtype in PACKED_BLOCKS;

/** Keys that a K cache interleaves, so that one vector holds the same element of several keys. */
export const KV_LANES = 8;

/** Elements that a head's row takes in a cache. */
export const kvPadded = (dim: number): number => ceil(dim, 8) * 8;

/** Bytes of a tensor at its upper bounds. */
export function byteSize(dtype: DType, shape: readonly Dim[]): number {
  const cols = colsOf(shape);
  const rows = maxSize(shape) / Math.max(cols, 1);
  const packed = ceil(rows, PACK_ROWS) * PACK_ROWS;
  if (isBlockType(dtype)) return ((packed / 8) * cols * PACKED_BLOCKS[dtype].bytes) / PACKED_BLOCKS[dtype].cols;
  switch (dtype) {
    case 'u8':
      return rows * cols;
    case 'q8':
      return rows * q8RowBytes(cols, 32);
    case 'q8-256':
      return rows * q8RowBytes(cols, 256);
    case 'packed-f32':
      return packed * cols * 4;
    case 'packed-f16':
    case 'packed-bf16':
      return packed * cols * 2;
    case 'packed-q8':
      return packed * (cols / 32) * 34;
    case 'packed-q4':
      return packed * (cols / 32) * 18;
    case 'kv-f32':
      return rows * kvPadded(cols) * 4;
    case 'kv-f16':
      return rows * kvPadded(cols) * 2;
    case 'kv-q8':
      return rows * (kvPadded(cols) + 4);
    case 'kv-i16':
      return rows * (2 * kvPadded(cols) + 4);
    default:
      return rows * cols * 4;
  }
}
