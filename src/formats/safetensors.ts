// safetensors: a u64 length, that many bytes of JSON with the tensors' types, shapes and byte ranges, then the data. One file, or shards with an index.

import { FormatError, UnsupportedError } from '../errors.ts';
import { isObject, parseJson } from './json.ts';
import { checkOverlaps, storedBytes, type TensorPlace, tensorsAt } from './places.ts';
import { openShards } from './shards.ts';
import type { ByteSource, Folder } from './source.ts';
import type { StorageType, TensorFiles } from './tensors.ts';

/** The limit of the official reader. */
const MAX_HEADER = 100_000_000;

const TYPES: ReadonlyMap<string, StorageType> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
  ['F64', 'f64'],
  ['I8', 'i8'],
  ['U8', 'u8'],
  ['I16', 'i16'],
  ['U16', 'u16'],
  ['I32', 'i32'],
  ['U32', 'u32'],
  ['I64', 'i64'],
  ['U64', 'u64'],
  ['BOOL', 'bool'],
]);

/** A safetensors file or set of shards. */
export interface Safetensors extends TensorFiles {
  /** The strings of `__metadata__`; of shards: of the first one that has any. */
  readonly metadata: ReadonlyMap<string, string>;
}

interface Parsed {
  readonly places: Map<string, TensorPlace>;
  readonly metadata: Map<string, string>;
}

/**
 * Opens one file. Only the header is read; the source is closed with the file, and also when opening fails.
 * @throws FormatError `truncated`, `limit`, `format`, `duplicate`, `structure`; UnsupportedError for types such as F8_E4M3, by name
 */
export async function openSafetensors(source: ByteSource): Promise<Safetensors> {
  try {
    const { places, metadata } = await readHeader(source);
    return { ...tensorsAt(source.name, places, [source]), metadata };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * Opens the shards that an index names (`model.safetensors.index.json`). Names in shards that the index lacks are left out.
 * @throws what openShards and openSafetensors throw
 */
export async function openSafetensorsShards(folder: Folder, indexFile: string): Promise<Safetensors> {
  const { files, shards } = await openShards(folder, indexFile, openSafetensors);
  return { ...files, metadata: shards.find((shard) => shard.metadata.size > 0)?.metadata ?? new Map() };
}

async function readHeader(source: ByteSource): Promise<Parsed> {
  if (source.size < 8)
    throw new FormatError('truncated', `${source.name}: got ${source.size} bytes, 8 are the least of a safetensors file`);
  const head = new Uint8Array(8);
  await source.readInto(head, 0);
  const view = new DataView(head.buffer);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER) {
    throw new FormatError(
      'limit',
      `${source.name}: a header of ${length} bytes: at most ${MAX_HEADER} are expected (is this a safetensors file?)`,
    );
  }
  if (8 + length > source.size)
    throw new FormatError('truncated', `${source.name}: a header of ${length} bytes in a file of ${source.size}`);
  const text = new Uint8Array(length);
  await source.readInto(text, 8);
  if (text[0] !== 0x7b) throw new FormatError('format', `${source.name}: the header does not begin with {: not a safetensors file`);
  const json = parseJson(text, source.name);
  if (!isObject(json)) throw new FormatError('format', `${source.name}: the header is no JSON object`);

  const places = new Map<string, TensorPlace>();
  const metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(json)) {
    if (name === '__metadata__') {
      if (!isObject(entry)) throw new FormatError('structure', `${source.name}: __metadata__ is no object`);
      // Values that are not strings are against the format, but harm nobody.
      for (const [key, value] of Object.entries(entry)) if (typeof value === 'string') metadata.set(key, value);
    } else {
      places.set(name, place(source, 8 + length, name, entry));
    }
  }
  checkOverlaps(source.name, places.values(), 'structure');
  return { places, metadata };
}

function place(source: ByteSource, start: number, name: string, entry: unknown): TensorPlace {
  const where = `${source.name}: ${name}`;
  if (!isObject(entry)) throw new FormatError('structure', `${where}: the entry is no object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') throw new FormatError('structure', `${where}: no dtype`);
  const type = TYPES.get(dtype);
  if (type === undefined) {
    throw new UnsupportedError(`${where}: tensors of type ${dtype} are not supported: convert the checkpoint to F16, BF16 or F32`);
  }
  if (!isNumbers(shape))
    throw new FormatError('structure', `${where}: got the shape ${JSON.stringify(shape)}, an array of whole numbers is expected`);
  if (!isNumbers(offsets) || offsets.length !== 2) throw new FormatError('structure', `${where}: no data_offsets of two numbers`);
  const bytes = storedBytes(where, type, shape, 'structure');
  const [begin, end] = offsets as [number, number];
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw new FormatError('structure', `${where}: got the byte range ${begin}..${end}`);
  }
  if (end - begin !== bytes)
    throw new FormatError('structure', `${where}: ${dtype} [${shape.join(', ')}] takes ${bytes} bytes: got ${end - begin}`);
  if (start + end > source.size) {
    throw new FormatError('truncated', `${where}: ends at byte ${start + end} of a file of ${source.size}: is the download complete?`);
  }
  return { info: { name, type, shape, bytes }, source, position: start + begin };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}
