// GGUF files: metadata and named tensors, read by range. One file, or the parts of a split one.

import { FormatError, InputError } from '../errors.ts';
import { type GgufHead, readHead } from './ggufHead.ts';
import { GgufMetadata, type GgufValue } from './ggufMetadata.ts';
import { storageType } from './ggufTypes.ts';
import { checkOverlaps, closeAll, storedBytes, type TensorPlace, tensorsAt } from './places.ts';
import type { ByteSource, Folder } from './source.ts';
import type { TensorFiles } from './tensors.ts';

/** An opened model: its tensors, and the metadata of the file (of the first part of a split one). */
export interface GgufFile extends TensorFiles {
  readonly version: number;
  /** What tensor offsets are multiples of, in bytes. */
  readonly alignment: number;
  /** Values with their types in the file, in file order. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The same values by typed getters. */
  readonly meta: GgufMetadata;
}

interface Part {
  readonly source: ByteSource;
  readonly head: GgufHead;
  readonly meta: GgufMetadata;
  readonly alignment: number;
  readonly places: Map<string, TensorPlace>;
}

const DEFAULT_ALIGNMENT = 32;
const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * Opens a file that is whole in itself. Reads the head only; the source is closed with the file, and also when opening fails.
 * @throws FormatError of the class of the defect: `magic`, `version`, `endianness`, `truncated`, `limit`, `bad_type`, `bad_alignment`, `bad_shape`,
 *   `bad_offset`, `duplicate`, `bad_string`, `split` (one part of several: see openGgufParts); UnsupportedError for types that are not read, by name
 */
export async function openGguf(source: ByteSource): Promise<GgufFile> {
  try {
    const part = await readPart(source);
    const { count } = splitKeys(part);
    if (count > 1)
      throw new FormatError('split', `${source.name}: one of ${count} parts of a split model: all of them in one folder are needed`);
    return asFile([part]);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * Opens a file of a folder and, where it is the first part of a split model, the other parts.
 * @throws FormatError `split` where parts are missing or do not belong together, or another part than the first is named; everything that openGguf throws
 */
export async function openGgufParts(folder: Folder, firstFile: string): Promise<GgufFile> {
  const sources: ByteSource[] = [];
  const open = async (file: string): Promise<Part> => {
    const source = await folder.open(file);
    sources.push(source);
    return readPart(source);
  };
  try {
    const first = await open(firstFile);
    const { count, number, tensors } = splitKeys(first);
    if (count <= 1) return asFile([first]);
    const [, prefix, , total] = PART_NAME.exec(firstFile) ?? [];
    const name = (part: number): string => `${prefix}-${String(part + 1).padStart(5, '0')}-of-${total}.gguf`;
    if (number !== 0) {
      const hint = prefix === undefined ? 'the first part' : name(0);
      throw new FormatError('split', `${first.source.name}: this is part ${number + 1} of ${count}: open ${hint}`);
    }
    if (prefix === undefined || Number(total) !== count) {
      throw new FormatError(
        'split',
        `${first.source.name}: part 1 of ${count} must be named <model>-00001-of-${String(count).padStart(5, '0')}.gguf for the others to be found`,
      );
    }
    const parts = [first];
    for (let i = 1; i < count; i++) {
      const part = await openPart(open, name(i), first.source.name, count);
      const keys = splitKeys(part);
      if (keys.number !== i || keys.count !== count) {
        throw new FormatError(
          'split',
          `${part.source.name}: says it is part ${keys.number + 1} of ${keys.count}, part ${i + 1} of ${count} is expected`,
        );
      }
      parts.push(part);
    }
    const found = parts.reduce((sum, part) => sum + part.places.size, 0);
    if (tensors !== null && tensors !== found)
      throw new FormatError('split', `${first.source.name}: the ${count} parts hold ${found} tensors, ${tensors} are expected`);
    return asFile(parts);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

async function openPart(open: (file: string) => Promise<Part>, file: string, first: string, count: number): Promise<Part> {
  try {
    return await open(file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new FormatError('split', `${first}: a model in ${count} parts, but ${file} is missing beside it (${error.message})`, {
      cause: error,
    });
  }
}

function asFile(parts: readonly Part[]): GgufFile {
  const first = parts[0]!;
  const places = new Map<string, TensorPlace>();
  for (const part of parts) {
    for (const [name, place] of part.places) {
      if (places.has(name)) throw new FormatError('duplicate', `${part.source.name}: the tensor ${name} is in another part too`);
      places.set(name, place);
    }
  }
  const sources = parts.map((part) => part.source);
  const { head, alignment, meta } = first;
  return { ...tensorsAt(first.source.name, places, sources), version: head.version, alignment, metadata: head.metadata, meta };
}

/** `split.*` of a part; a count of 1 where there are none. */
function splitKeys({ meta, source }: Part): { number: number; count: number; tensors: number | null } {
  const count = meta.u32('split.count', 1);
  const number = meta.u32('split.no', 0);
  if (count > 1 && number >= count) throw new FormatError('split', `${source.name}: says it is part ${number + 1} of ${count}`);
  return { number, count, tensors: meta.has('split.tensors.count') ? meta.u32('split.tensors.count') : null };
}

async function readPart(source: ByteSource): Promise<Part> {
  const head = await readHead(source);
  const meta = new GgufMetadata(head.metadata, source.name);
  const alignment = readAlignment(meta, source.name);
  const start = Math.ceil(head.end / alignment) * alignment;
  const places = new Map<string, TensorPlace>();
  for (const { name, axes, type: id, offset } of head.tensors) {
    const where = `${source.name}: ${name}`;
    const type = storageType(id, where);
    const shape = axes.toReversed();
    const bytes = storedBytes(where, type, shape, 'bad_shape');
    if (offset % alignment !== 0)
      throw new FormatError('bad_offset', `${where}: got the offset ${offset}, a multiple of the alignment ${alignment} is expected`);
    const position = start + offset;
    if (bytes > 0 && position + bytes > source.size) {
      throw new FormatError(
        'truncated',
        `${where}: ends at byte ${position + bytes} of a file of ${source.size}: is the download complete?`,
      );
    }
    places.set(name, { info: { name, type, shape, bytes }, source, position });
  }
  checkOverlaps(source.name, places.values(), 'bad_offset');
  return { source, head, meta, alignment, places };
}

function readAlignment(meta: GgufMetadata, where: string): number {
  let alignment: number;
  try {
    alignment = meta.u32('general.alignment', DEFAULT_ALIGNMENT);
  } catch (error) {
    throw new FormatError('bad_alignment', `${where}: general.alignment is no whole number`, { cause: error });
  }
  // In floats: the 32-bit trick would take 2^31 for negative.
  if (alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
    throw new FormatError('bad_alignment', `${where}: got the alignment ${alignment}, a power of two is expected`);
  }
  return alignment;
}
