// The head of a GGUF file: counts, metadata, tensor infos. Parsed from a growing prefix of the file; every count is checked against the file's
// size before anything is allocated by it.
//
//   "GGUF", version u32, tensors u64, pairs u64
//   pairs   x { key string, type u32, value }
//   tensors x { name string, axes u32, axis u64 [axes], type u32, offset u64 }      strings: u64 length, bytes

import { FormatError, UnsupportedError } from '../errors.ts';
import { decodeUtf8, GGUF_TYPES, type GgufArray, GgufStrings, type GgufType, type GgufValue } from './ggufMetadata.ts';
import type { ByteSource } from './source.ts';

/** A tensor info as it stands in the file. */
export interface GgufTensor {
  readonly name: string;
  /** Fastest axis first. */
  readonly axes: readonly number[];
  readonly type: number;
  /** From the start of the data section. */
  readonly offset: number;
}

export interface GgufHead {
  readonly version: number;
  readonly metadata: Map<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  /** Where the infos end, before the padding. */
  readonly end: number;
}

const FIRST_READ = 1024 * 1024;
/** The largest known heads have 10 MB; this only keeps a hostile file of many GB from being loaded whole. */
const MAX_HEAD = 1024 ** 3;
const MAX_NAME = 65535;
const MAX_AXES = 4;
const LEAST_PAIR = 13;
const LEAST_TENSOR = 24;

/** What a read beyond the loaded prefix, but within the file, throws: the caller loads more and goes on after the last whole entry. */
class NeedsMore extends Error {
  readonly bytes: number;
  constructor(bytes: number) {
    super('the head is longer than what is loaded');
    this.bytes = bytes;
  }
}

/**
 * Reads and parses the head with ranged reads.
 * @throws FormatError `magic`, `version`, `endianness`, `truncated`, `limit`, `bad_type`, `bad_string`, `bad_shape`, `duplicate`; UnsupportedError for nested arrays
 */
export async function readHead(source: ByteSource): Promise<GgufHead> {
  let bytes = new Uint8Array(Math.min(source.size, FIRST_READ));
  await source.readInto(bytes, 0);
  checkMagic(bytes, source.name);
  const parser = new HeadParser(source.name, source.size);
  for (;;) {
    try {
      return parser.parse(bytes);
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
      if (error.bytes > MAX_HEAD) throw new FormatError('limit', `${source.name}: the metadata take more than ${MAX_HEAD} bytes`);
      const grown = new Uint8Array(Math.min(source.size, Math.max(error.bytes, 2 * bytes.length)));
      grown.set(bytes);
      await source.readInto(grown.subarray(bytes.length), bytes.length);
      bytes = grown;
    }
  }
}

function checkMagic(bytes: Uint8Array, where: string): void {
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic === 'GGUF') return;
  if (bytes.length < 4) throw new FormatError('truncated', `${where}: got ${bytes.length} bytes: not a GGUF file`);
  const start = String.fromCharCode(...bytes.subarray(0, 64)).toLowerCase();
  let what = `it begins with ${JSON.stringify(magic)}`;
  if (start.startsWith('version https://git-lfs')) what = 'it is a Git LFS pointer: download the file itself';
  else if (/^\s*<(!doctype|html|\?xml)/.test(start)) what = 'it is a web page: the download failed';
  else if (magic === 'lmgg' || magic === 'tjgg' || magic === 'fmgg') what = 'it is a GGML file from before GGUF: convert it again';
  throw new FormatError('magic', `${where}: not a GGUF file: ${what}`);
}

class HeadParser {
  readonly #where: string;
  readonly #fileSize: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  /** Where to go on when more bytes are there. */
  #done = 0;
  #version = 0;
  #tensorCount = 0;
  #pairCount = 0;
  readonly #metadata = new Map<string, GgufValue>();
  readonly #tensors: GgufTensor[] = [];
  readonly #names = new Set<string>();

  constructor(where: string, fileSize: number) {
    this.#where = where;
    this.#fileSize = fileSize;
  }

  /** Parses on from the last whole entry; `bytes` is the file from its start. Throws NeedsMore where the prefix is too short. */
  parse(bytes: Uint8Array): GgufHead {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = this.#done;
    if (this.#done === 0) this.#counts();
    while (this.#metadata.size < this.#pairCount) this.#pair();
    while (this.#tensors.length < this.#tensorCount) this.#tensor();
    return { version: this.#version, metadata: this.#metadata, tensors: this.#tensors, end: this.#at };
  }

  #counts(): void {
    this.#at = 4;
    this.#version = this.#u32('the version');
    if (this.#version !== 2 && this.#version !== 3) {
      if (this.#version === 0x03000000 || this.#version === 0x02000000) {
        throw new FormatError('endianness', `${this.#where}: a big-endian file: convert the model again for little-endian machines`);
      }
      throw new FormatError('version', `${this.#where}: got GGUF version ${this.#version}, 2 or 3 is expected`);
    }
    this.#tensorCount = this.#count('tensors', LEAST_TENSOR);
    this.#pairCount = this.#count('metadata keys', LEAST_PAIR);
    this.#done = this.#at;
  }

  #pair(): void {
    const key = this.#name('a metadata key');
    if (this.#metadata.has(key)) throw new FormatError('duplicate', `${this.#where}: the metadata key ${key} occurs twice`);
    const value = this.#value(key, this.#type(key));
    this.#metadata.set(key, value);
    this.#done = this.#at;
  }

  #tensor(): void {
    const name = this.#name('a tensor name');
    if (this.#names.has(name)) throw new FormatError('duplicate', `${this.#where}: the tensor ${name} occurs twice`);
    const count = this.#u32(name);
    if (count > MAX_AXES)
      throw new FormatError('bad_shape', `${this.#where}: ${name}: got ${count} axes, at most ${MAX_AXES} are expected`);
    const axes: number[] = [];
    for (let i = 0; i < count; i++) axes.push(this.#u64(name, 'bad_shape'));
    const type = this.#u32(name);
    const offset = this.#u64(name, 'bad_offset');
    this.#names.add(name);
    this.#tensors.push({ name, axes, type, offset });
    this.#done = this.#at;
  }

  /** Makes sure that `count` bytes at the current position are loaded, and moves past them. Returns where they begin. */
  #take(count: number, what: string): number {
    const start = this.#at;
    const end = start + count;
    if (end > this.#fileSize) {
      throw new FormatError(
        'truncated',
        `${this.#where}: ends at byte ${this.#fileSize} inside ${what}, which wants ${count} bytes at ${start}: is the download complete?`,
      );
    }
    if (end > this.#bytes.length) throw new NeedsMore(end);
    this.#at = end;
    return start;
  }

  #u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  /** A u64 that a double holds exactly; others throw FormatError `code`. */
  #u64(what: string, code: string): number {
    const at = this.#take(8, what);
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
    if (!Number.isSafeInteger(value))
      throw new FormatError(code, `${this.#where}: ${what}: got ${this.#view.getBigUint64(at, true)}, at most 2^53-1 is expected`);
    return value;
  }

  /** A number of things of at least `least` bytes each, which must fit in the rest of the file. */
  #count(what: string, least: number): number {
    const count = this.#u64(what, 'limit');
    const rest = this.#fileSize - this.#at;
    if (count * least > rest) throw new FormatError('limit', `${this.#where}: ${count} ${what} do not fit in the ${rest} bytes left`);
    return count;
  }

  #name(what: string): string {
    const length = this.#u64(what, 'limit');
    if (length > MAX_NAME)
      throw new FormatError('limit', `${this.#where}: ${what} of ${length} bytes at ${this.#at}: at most ${MAX_NAME} are expected`);
    if (length === 0) throw new FormatError('bad_string', `${this.#where}: ${what} is empty at byte ${this.#at}`);
    const at = this.#take(length, what);
    const text = decodeUtf8(this.#bytes.subarray(at, at + length));
    if (text === null) throw new FormatError('bad_string', `${this.#where}: ${what} at byte ${at} is not valid UTF-8`);
    return text;
  }

  #type(key: string): GgufType {
    const id = this.#u32(key);
    const type = GGUF_TYPES[id];
    if (type === undefined) throw new FormatError('bad_type', `${this.#where}: metadata key ${key}: unknown type ${id}`);
    return type;
  }

  #value(key: string, type: GgufType): GgufValue {
    switch (type) {
      case 'u8':
        return { type, value: this.#view.getUint8(this.#take(1, key)) };
      case 'i8':
        return { type, value: this.#view.getInt8(this.#take(1, key)) };
      case 'u16':
        return { type, value: this.#view.getUint16(this.#take(2, key), true) };
      case 'i16':
        return { type, value: this.#view.getInt16(this.#take(2, key), true) };
      case 'u32':
        return { type, value: this.#u32(key) };
      case 'i32':
        return { type, value: this.#view.getInt32(this.#take(4, key), true) };
      case 'f32':
        return { type, value: this.#view.getFloat32(this.#take(4, key), true) };
      case 'f64':
        return { type, value: this.#view.getFloat64(this.#take(8, key), true) };
      case 'u64':
        return { type, value: this.#view.getBigUint64(this.#take(8, key), true) };
      case 'i64':
        return { type, value: this.#view.getBigInt64(this.#take(8, key), true) };
      case 'bool':
        return { type, value: this.#view.getUint8(this.#take(1, key)) !== 0 };
      case 'string': {
        const length = this.#count(`bytes of ${key}`, 1);
        const at = this.#take(length, key);
        const bytes = this.#bytes.subarray(at, at + length);
        return { type, value: decodeUtf8(bytes) ?? bytes.slice() };
      }
      case 'array':
        return { type, value: this.#array(key) };
    }
  }

  #array(key: string): GgufArray {
    const of = this.#type(key);
    switch (of) {
      case 'array':
        throw new UnsupportedError(`${this.#where}: metadata key ${key}: arrays of arrays are not supported`);
      case 'string':
        return { of, items: this.#strings(key) };
      case 'bool':
        return { of, items: Array.from(this.#items(key, 1), (byte) => byte !== 0) };
      case 'u8':
        return { of, items: this.#items(key, 1) };
      case 'i8':
        return { of, items: new Int8Array(this.#items(key, 1).buffer) };
      case 'u16':
        return { of, items: new Uint16Array(this.#items(key, 2).buffer) };
      case 'i16':
        return { of, items: new Int16Array(this.#items(key, 2).buffer) };
      case 'u32':
        return { of, items: new Uint32Array(this.#items(key, 4).buffer) };
      case 'i32':
        return { of, items: new Int32Array(this.#items(key, 4).buffer) };
      case 'f32':
        return { of, items: new Float32Array(this.#items(key, 4).buffer) };
      case 'f64':
        return { of, items: new Float64Array(this.#items(key, 8).buffer) };
      case 'u64':
        return { of, items: new BigUint64Array(this.#items(key, 8).buffer) };
      case 'i64':
        return { of, items: new BigInt64Array(this.#items(key, 8).buffer) };
    }
  }

  /** The bytes of an array of fixed-size elements: a copy, which is aligned and does not keep the head in memory. */
  #items(key: string, size: number): Uint8Array<ArrayBuffer> {
    const count = this.#count(`elements of ${key}`, size);
    const at = this.#take(count * size, key);
    return new Uint8Array(this.#bytes.subarray(at, at + count * size));
  }

  /** Walks over the lengths, then takes one copy of the whole run: a copy for each string would cost several times as much. */
  #strings(key: string): GgufStrings {
    const count = this.#count(`strings of ${key}`, 8);
    const start = this.#at;
    const ends = new Uint32Array(count);
    const what = `bytes of ${key}`;
    for (let i = 0; i < count; i++) {
      this.#take(this.#count(what, 1), key);
      ends[i] = this.#at - start;
    }
    return new GgufStrings(this.#bytes.slice(start, this.#at), ends);
  }
}
