// Writes small GGUF files for tests.

import { GGUF_TYPES, type GgufType } from '../../src/formats/ggufMetadata.ts';

/** A metadata pair; `[of, items]` for arrays. */
export type Pair =
  | readonly [key: string, type: GgufType, value: unknown]
  | readonly [key: string, type: 'array', of: GgufType, items: readonly unknown[]];

/** A tensor: axes fastest first; the data are zeros unless given. */
export interface TensorToWrite {
  readonly name: string;
  readonly axes: readonly number[];
  /** Type id; default 0, f32. */
  readonly type?: number;
  readonly data?: Uint8Array;
}

/** The bytes of a version 3 file with alignment 32. */
export function writeGguf(pairs: readonly Pair[], tensors: readonly TensorToWrite[] = []): Uint8Array {
  let bytes = new Uint8Array(1024);
  let view = new DataView(bytes.buffer);
  let at = 0;
  const take = (size: number): number => {
    if (at + size > bytes.length) {
      const grown = new Uint8Array(2 * (at + size));
      grown.set(bytes);
      bytes = grown;
      view = new DataView(bytes.buffer);
    }
    at += size;
    return at - size;
  };
  const raw = (data: Uint8Array): void => {
    const to = take(data.length);
    bytes.set(data, to);
  };
  const number = (size: number, write: (to: number) => void): void => write(take(size));
  const u32 = (value: number): void => number(4, (to) => view.setUint32(to, value, true));
  const u64 = (value: bigint): void => number(8, (to) => view.setBigUint64(to, value, true));
  const string = (value: unknown): void => {
    const text = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value));
    u64(BigInt(text.length));
    raw(text);
  };
  const writers: Readonly<Record<Exclude<GgufType, 'array'>, (value: unknown) => void>> = {
    u8: (value) => number(1, (to) => view.setUint8(to, Number(value))),
    i8: (value) => number(1, (to) => view.setInt8(to, Number(value))),
    bool: (value) => number(1, (to) => view.setUint8(to, Number(value))),
    u16: (value) => number(2, (to) => view.setUint16(to, Number(value), true)),
    i16: (value) => number(2, (to) => view.setInt16(to, Number(value), true)),
    u32: (value) => u32(Number(value)),
    i32: (value) => u32(Number(value)),
    f32: (value) => number(4, (to) => view.setFloat32(to, Number(value), true)),
    f64: (value) => number(8, (to) => view.setFloat64(to, Number(value), true)),
    u64: (value) => u64(BigInt(value as number | bigint)),
    i64: (value) => u64(BigInt.asUintN(64, BigInt(value as number | bigint))),
    string,
  };
  const scalar = (type: GgufType, value: unknown): void => {
    if (type === 'array') throw new TypeError('arrays of arrays cannot be written');
    writers[type](value);
  };

  raw(new TextEncoder().encode('GGUF'));
  u32(3);
  u64(BigInt(tensors.length));
  u64(BigInt(pairs.length));
  for (const [key, type, value, items] of pairs) {
    string(key);
    u32(GGUF_TYPES.indexOf(type));
    if (type === 'array') {
      u32(GGUF_TYPES.indexOf(value as GgufType));
      u64(BigInt(items!.length));
      for (const item of items!) scalar(value as GgufType, item);
    } else {
      scalar(type, value);
    }
  }
  let offset = 0;
  const data = tensors.map((tensor) => tensor.data ?? new Uint8Array(4 * tensor.axes.reduce((a, b) => a * b, 1)));
  for (const [i, { name, axes, type = 0 }] of tensors.entries()) {
    string(name);
    u32(axes.length);
    for (const axis of axes) u64(BigInt(axis));
    u32(type);
    u64(BigInt(offset));
    offset += Math.ceil(data[i]!.length / 32) * 32;
  }
  for (const one of data) {
    take((32 - (at % 32)) % 32);
    raw(one);
  }
  return bytes.slice(0, at);
}
