// safetensors: a u64 length, that many bytes of JSON with the tensors' types, shapes and byte ranges, then the data. One file, or shards with an index.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { isObject, parseJson } from './json.ts';
import { checkOverlaps, closeAll, storedBytes, type TensorPlace, tensorsAt } from './places.ts';
import type { ByteSource, Folder } from './source.ts';
import type { StorageType, TensorFiles } from './tensors.ts';

/** The limit of the official reader. */
const MAX_HEADER = 100_000_000;
/** An index of a thousand shards stays below this. */
const MAX_INDEX = 64 * 1024 * 1024;

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
 * @throws FormatError `traversal` for a shard name that is not a plain file name, `structure` for a name that its shard lacks,
 *   `missing` for an absent shard, and everything that openSafetensors throws
 */
export async function openSafetensorsShards(folder: Folder, indexFile: string): Promise<Safetensors> {
  const index = await readShardIndex(folder, indexFile);
  const shards = new Map<string, Parsed>();
  const sources: ByteSource[] = [];
  try {
    for (const file of new Set(index.values())) {
      const source = await openShard(folder, file, indexFile);
      sources.push(source);
      shards.set(file, await readHeader(source));
    }
    const places = new Map<string, TensorPlace>();
    for (const [name, file] of index) {
      const place = shards.get(file)!.places.get(name);
      if (place === undefined)
        throw new FormatError('structure', `${folder.name}/${indexFile}: ${name} should be in ${file}: the shard has no such tensor`);
      places.set(name, place);
    }
    const metadata = [...shards.values()].find((shard) => shard.metadata.size > 0)?.metadata ?? new Map<string, string>();
    return { ...tensorsAt(folder.name, places, sources), metadata };
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

/**
 * Reads the weight map of an index file (safetensors' and torch's have the same form): tensor name -> plain file name.
 * @throws FormatError `format`, `duplicate`, `limit`, `structure`, `traversal`
 */
export async function readShardIndex(folder: Folder, indexFile: string): Promise<Map<string, string>> {
  const source = await folder.open(indexFile);
  let json: unknown;
  try {
    if (source.size > MAX_INDEX)
      throw new FormatError('limit', `${source.name}: got ${source.size} bytes, at most ${MAX_INDEX} are expected of an index`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0);
    json = parseJson(bytes, source.name);
  } finally {
    await source.close();
  }
  const map = isObject(json) ? json.weight_map : undefined;
  if (!isObject(map))
    throw new FormatError('structure', `${source.name}: no weight_map: an object from tensor names to file names is expected`);
  const result = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string')
      throw new FormatError('structure', `${source.name}: ${name}: got ${JSON.stringify(file)}, a file name is expected`);
    if (!isPlainName(file))
      throw new FormatError('traversal', `${source.name}: ${name}: got ${JSON.stringify(file)}, a file in the same folder is expected`);
    result.set(name, file);
  }
  return result;
}

/** A name without any path in it, on any system. */
function isPlainName(file: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return file !== '' && file !== '.' && !file.includes('..') && !/[/\\:\u0000-\u001f]/.test(file);
}

async function openShard(folder: Folder, file: string, indexFile: string): Promise<ByteSource> {
  try {
    return await folder.open(file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new FormatError(
      'missing',
      `${folder.name}/${indexFile}: the shard ${file} is missing: download it beside the index (${error.message})`,
      { cause: error },
    );
  }
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
