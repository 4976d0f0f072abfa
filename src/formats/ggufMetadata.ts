// GGUF metadata: typed values as they stand in the file, and getters that are liberal about integer types and clear about what is wrong.

import { FormatError } from '../errors.ts';

/** Metadata types by their names in this code base; the position is the id in files. */
export const GGUF_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'] as const;
export type GgufType = (typeof GGUF_TYPES)[number];

/** The elements of an array. Arrays of arrays are refused by the reader. */
export type GgufArray =
  | { readonly of: 'u8'; readonly items: Uint8Array }
  | { readonly of: 'i8'; readonly items: Int8Array }
  | { readonly of: 'u16'; readonly items: Uint16Array }
  | { readonly of: 'i16'; readonly items: Int16Array }
  | { readonly of: 'u32'; readonly items: Uint32Array }
  | { readonly of: 'i32'; readonly items: Int32Array }
  | { readonly of: 'f32'; readonly items: Float32Array }
  | { readonly of: 'f64'; readonly items: Float64Array }
  | { readonly of: 'u64'; readonly items: BigUint64Array }
  | { readonly of: 'i64'; readonly items: BigInt64Array }
  | { readonly of: 'bool'; readonly items: readonly boolean[] }
  | { readonly of: 'string'; readonly items: GgufStrings };

/** One metadata value with its type in the file. A string that is not UTF-8 is kept as bytes. */
export type GgufValue =
  | { readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64'; readonly value: number }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string | Uint8Array }
  | { readonly type: 'array'; readonly value: GgufArray };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of UTF-8 bytes, `null` where they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  // Vocabularies are a hundred thousand short ASCII strings: a decoder call for each costs several times this loop.
  if (bytes.length <= 24) {
    let text = '';
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (text.length === bytes.length) return text;
  }
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

const LENGTH_BYTES = 8;

/** The strings of an array: kept as one run of bytes and decoded when asked for, since a vocabulary is large and seldom needed as a whole. */
export class GgufStrings {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #ends: Uint32Array;

  /** `bytes` as in the file: each string after its length of 8 bytes. `ends[i]` is where string i ends. */
  constructor(bytes: Uint8Array, ends: Uint32Array) {
    this.length = ends.length;
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** The bytes of string `i`, a view. */
  bytes(i: number): Uint8Array {
    return this.#bytes.subarray(LENGTH_BYTES + (i === 0 ? 0 : this.#ends[i - 1]!), this.#ends[i]);
  }

  /** String `i`, or its bytes where they are not UTF-8 (raw-byte tokens). */
  at(i: number): string | Uint8Array {
    const bytes = this.bytes(i);
    return decodeUtf8(bytes) ?? bytes;
  }

  /** String `i`; what is not UTF-8 comes as U+FFFD. */
  text(i: number): string {
    const bytes = this.bytes(i);
    return decodeUtf8(bytes) ?? new TextDecoder().decode(bytes);
  }

  *[Symbol.iterator](): Generator<string | Uint8Array> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

/**
 * Reads metadata by key. A missing key without a default throws FormatError `missing_key`, a value of another kind `bad_type`;
 * the messages name the file and the key.
 */
export class GgufMetadata {
  readonly #values: ReadonlyMap<string, GgufValue>;
  readonly #where: string;

  constructor(values: ReadonlyMap<string, GgufValue>, where: string) {
    this.#values = values;
    this.#where = where;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** A whole number in 0..2^32-1, whatever integer type it is stored in. */
  u32(key: string, fallback?: number): number {
    const value = this.#find(key, 'a whole number', fallback);
    if (typeof value === 'number') return value;
    const number = integer(value);
    if (number === null || number < 0 || number > 0xffffffff) throw this.#wrong(key, value, 'a whole number in 0..2^32-1');
    return number;
  }

  /** A number: a float of either width, or an integer. */
  f32(key: string, fallback?: number): number {
    const value = this.#find(key, 'a number', fallback);
    if (typeof value === 'number') return value;
    if (value.type === 'f32' || value.type === 'f64') return value.value;
    const number = integer(value);
    if (number === null) throw this.#wrong(key, value, 'a number');
    return number;
  }

  bool(key: string, fallback?: boolean): boolean {
    const value = this.#find(key, 'a bool', fallback);
    if (typeof value === 'boolean') return value;
    if (value.type !== 'bool') throw this.#wrong(key, value, 'a bool');
    return value.value;
  }

  string(key: string, fallback?: string): string {
    const value = this.#find(key, 'a string', fallback);
    if (typeof value === 'string') return value;
    if (value.type !== 'string') throw this.#wrong(key, value, 'a string');
    if (typeof value.value !== 'string')
      throw new FormatError('bad_string', `${this.#where}: metadata key ${key}: the string is not valid UTF-8`);
    return value.value;
  }

  /** All strings of an array, decoded; what is not UTF-8 comes as U+FFFD (`array(key)` has the bytes). */
  strings(key: string, fallback?: readonly string[]): readonly string[] {
    if (fallback !== undefined && !this.has(key)) return fallback;
    const array = this.array(key);
    if (array.of !== 'string')
      throw new FormatError(
        'bad_type',
        `${this.#where}: metadata key ${key}: got an array of ${array.of}, an array of strings is expected`,
      );
    const { items } = array;
    const result = new Array<string>(items.length);
    for (let i = 0; i < items.length; i++) result[i] = items.text(i);
    return result;
  }

  /** All numbers of an array of any integer or float type; 64-bit integers lose what a double cannot hold. */
  numbers(key: string, fallback?: readonly number[]): readonly number[] {
    if (fallback !== undefined && !this.has(key)) return fallback;
    const array = this.array(key);
    if (array.of === 'string' || array.of === 'bool') {
      throw new FormatError(
        'bad_type',
        `${this.#where}: metadata key ${key}: got an array of ${array.of}, an array of numbers is expected`,
      );
    }
    return Array.from(array.items as ArrayLike<number | bigint>, Number);
  }

  array(key: string): GgufArray {
    const value = this.#find<never>(key, 'an array', undefined);
    if (value.type !== 'array') throw this.#wrong(key, value, 'an array');
    return value.value;
  }

  #find<D>(key: string, expected: string, fallback: D | undefined): GgufValue | D {
    const value = this.#values.get(key) ?? fallback;
    if (value === undefined)
      throw new FormatError('missing_key', `${this.#where}: the metadata key ${key} is missing: ${expected} is expected`);
    return value;
  }

  #wrong(key: string, value: GgufValue, expected: string): FormatError {
    const got = value.type === 'array' ? `an array of ${value.value.of}` : `${value.type} ${String(value.value).slice(0, 60)}`;
    return new FormatError('bad_type', `${this.#where}: metadata key ${key}: got ${got}, ${expected} is expected`);
  }
}

/** The number of an integer value within +-2^53, `null` of anything else. */
function integer(value: GgufValue): number | null {
  switch (value.type) {
    case 'u8':
    case 'i8':
    case 'u16':
    case 'i16':
    case 'u32':
    case 'i32':
      return value.value;
    case 'u64':
    case 'i64': {
      const number = Number(value.value);
      return Number.isSafeInteger(number) ? number : null;
    }
    default:
      return null;
  }
}
