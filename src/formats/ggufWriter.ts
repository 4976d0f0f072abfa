// Writing GGUF v3: the head is known once names, types and shapes are; data follow in the same order, each tensor padded.

import { ShapeError } from '../errors.ts';
import { typeId } from './ggufTypes.ts';
import { BLOCKS, type StorageType } from './tensors.ts';

/** A metadata value with its type in the file. */
export type WriteValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'u32s' | 'i32s' | 'f32s'; readonly value: ArrayLike<number> };

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

const VALUE_IDS = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 } as const;
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
export function ggufHead(metadata: ReadonlyMap<string, WriteValue>, tensors: readonly WriteTensor[]): GgufHeadBytes {
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

const ARRAY_ID = 9;

function writeValue(out: Bytes, v: WriteValue): void {
  const array = (of: keyof typeof VALUE_IDS, length: number) => {
    out.u32(ARRAY_ID);
    out.u32(VALUE_IDS[of]);
    out.u64(length);
  };
  switch (v.type) {
    case 'strings':
      array('string', v.value.length);
      for (const s of v.value) out.string(s);
      return;
    case 'u32s':
    case 'i32s':
    case 'f32s': {
      const of = v.type.slice(0, -1) as 'u32' | 'i32' | 'f32';
      array(of, v.value.length);
      for (const n of Array.from(v.value)) writeNumber(out, of, n);
      return;
    }
    case 'string':
      out.u32(VALUE_IDS.string);
      out.string(v.value);
      return;
    case 'bool':
      out.u32(VALUE_IDS.bool);
      out.raw(new Uint8Array([v.value ? 1 : 0]));
      return;
    default:
      out.u32(VALUE_IDS[v.type]);
      writeNumber(out, v.type, v.value);
  }
}

function writeNumber(out: Bytes, type: 'u32' | 'i32' | 'f32', n: number): void {
  if (type === 'f32') out.f32(n);
  else out.u32(n >>> 0);
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

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
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
