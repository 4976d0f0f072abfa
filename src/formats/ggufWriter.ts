// Writing GGUF v3: the head is known once names, types and shapes are; data follow in the same order, each tensor padded.

import { ShapeError } from '../errors.ts';
import { GGUF_TYPES, type GgufArray, type GgufType, type GgufValue } from './ggufMetadata.ts';
import { typeId } from './ggufTypes.ts';
import { BLOCKS, type StorageType } from './tensors.ts';

/** A metadata value with its type in the file. */
export type WriteValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'u32s'; readonly value: ArrayLike<number> }
  | { readonly type: 'i32s'; readonly value: ArrayLike<number> }
  | { readonly type: 'f32s'; readonly value: ArrayLike<number> };

export interface WriteTensor {
  readonly name: string;
  readonly type: StorageType;
  /** Row-major, PyTorch order. */
  readonly shape: readonly number[];
}

export interface GgufHeadBytes {
  /** Magic to the padding before the data. */
  readonly head: Uint8Array;
  /** Data bytes of each tensor, before padding. */
  readonly bytes: readonly number[];
}

const ALIGNMENT = 32;

/** Zeros that follow `bytes` bytes up to the next multiple of the alignment. */
export const padding = (bytes: number): number => (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;

/** Stored bytes of a tensor. Throws ShapeError when a row is not a whole number of blocks. */
export function tensorBytes({ name, type, shape }: WriteTensor): number {
  const block = BLOCKS[type];
  const cols = shape.at(-1) ?? 1;
  if (cols % block.values !== 0)
    throw new ShapeError(`${name}: a row of ${cols} values is no whole number of ${type} blocks of ${block.values}`);
  return (shape.reduce((a, b) => a * b, 1) / block.values) * block.bytes;
}

/** The head of a file with these metadata and tensors. */
export function ggufHead(metadata: ReadonlyMap<string, WriteValue | GgufValue>, tensors: readonly WriteTensor[]): GgufHeadBytes {
  const out = new Bytes();
  out.raw(new TextEncoder().encode('GGUF'));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  let offset = 0;
  const bytes = tensors.map(tensorBytes);
  tensors.forEach((t, i) => {
    out.string(t.name);
    out.u32(t.shape.length);
    for (const d of [...t.shape].reverse()) out.u64(d);
    out.u32(typeId(t.type));
    out.u64(offset);
    offset += bytes[i]! + padding(bytes[i]!);
  });
  out.raw(new Uint8Array(padding(out.length)));
  return { head: out.take(), bytes };
}

const LISTS = { u32s: 'u32', i32s: 'i32', f32s: 'f32' } as const;

function writeValue(out: Bytes, v: WriteValue | GgufValue): void {
  if (v.type === 'array') writeArray(out, v.value.of, arrayItems(v.value));
  else if (v.type === 'strings') writeArray(out, 'string', v.value);
  else if (v.type === 'u32s' || v.type === 'i32s' || v.type === 'f32s') writeArray(out, LISTS[v.type], Array.from(v.value));
  else {
    out.u32(GGUF_TYPES.indexOf(v.type));
    writeItem(out, v.type, v.value);
  }
}

type Item = string | number | bigint | boolean | Uint8Array;

function* arrayItems(array: GgufArray): Generator<Item> {
  // As bytes: a text that is not UTF-8 stays what it is.
  if (array.of === 'string') for (let i = 0; i < array.items.length; i++) yield array.items.bytes(i);
  else yield* array.items as Iterable<Item>;
}

function writeArray(out: Bytes, of: GgufType, items: Iterable<Item>): void {
  const all = [...items];
  out.u32(GGUF_TYPES.indexOf('array'));
  out.u32(GGUF_TYPES.indexOf(of));
  out.u64(all.length);
  for (const item of all) writeItem(out, of, item);
}

function writeItem(out: Bytes, type: GgufType, value: Item): void {
  if (type === 'string') out.string(value as string | Uint8Array);
  else if (type === 'bool') out.raw(Uint8Array.of(value ? 1 : 0));
  else if (type === 'u8' || type === 'i8') out.raw(Uint8Array.of(Number(value)));
  else if (type === 'u16' || type === 'i16') out.raw(Uint8Array.of(Number(value), Number(value) >> 8));
  else if (type === 'f32') out.f32(Number(value));
  else if (type === 'f64') out.raw(new Uint8Array(Float64Array.of(Number(value)).buffer));
  else if (type === 'u64' || type === 'i64') out.raw(new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, BigInt(value as bigint))).buffer));
  else out.u32(Number(value) >>> 0);
}

/** A growing buffer, little-endian. */
class Bytes {
  #data = new Uint8Array(1024);
  length = 0;

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
  }

  u32(n: number): void {
    this.#room(4);
    new DataView(this.#data.buffer).setUint32(this.length, n, true);
    this.length += 4;
  }

  f32(n: number): void {
    this.#room(4);
    new DataView(this.#data.buffer).setFloat32(this.length, n, true);
    this.length += 4;
  }

  u64(n: number): void {
    this.u32(n % 2 ** 32);
    this.u32(Math.floor(n / 2 ** 32));
  }

  string(text: string | Uint8Array): void {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    this.u64(bytes.length);
    this.raw(bytes);
  }

  take(): Uint8Array {
    return this.#data.slice(0, this.length);
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#data.length) return;
    const bigger = new Uint8Array(Math.max(this.#data.length * 2, this.length + bytes));
    bigger.set(this.#data);
    this.#data = bigger;
  }
}
