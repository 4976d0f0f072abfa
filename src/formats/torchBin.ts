// PyTorch's .bin, .pt and .pth: a pickle that names tensors, and the bytes of their storages, in a zip archive or (before 1.6) one after another.
// The pickle is read by a machine that knows nothing but tensors; the bytes are read by range when they are asked for.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { isKind, MAX_PICKLE, type PickleValue, runPickle } from './pickle.ts';
import { storedBytes } from './places.ts';
import type { ByteSource } from './source.ts';
import { stridedReader } from './strided.ts';
import { BLOCKS, type TensorFiles, type TensorInfo } from './tensors.ts';
import { namedTensors, type TorchStorage, type TorchTensor, torchHost } from './torchObjects.ts';
import { isZip, memberBytes, memberPosition, readZip } from './zip.ts';

/** The first pickle of a legacy file, whole: the number 0x1950a86a20f9469cfc6c. */
const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_VERSION = 1001;
/** Where the pickles of a legacy file are looked for at first; they have no length. */
const FIRST_PIECE = 1024 * 1024;

/** Where the bytes of a storage begin, asked when they are first read. */
type Locate = (storage: TorchStorage) => Promise<number>;

interface Parsed {
  readonly tensors: Map<string, TorchTensor>;
  readonly locate: Locate;
}

/**
 * Opens one file. Only its pickle is read; the source is closed with the file, and also when opening fails. Nested dicts give dotted
 * names (`state_dict.w`); values that are no tensors are dropped.
 * @throws FormatError `global` (the pickle refers to something that is no tensor: named in the message), `opcode`, `structure`, `truncated`,
 *   `limit`, `traversal`, `duplicate`, `format`; UnsupportedError for compressed members, TorchScript, big-endian files
 */
export async function openTorchBin(source: ByteSource): Promise<TensorFiles> {
  try {
    const head = new Uint8Array(Math.min(source.size, LEGACY_MAGIC.length));
    await source.readInto(head, 0);
    const isLegacy = LEGACY_MAGIC.every((byte, i) => head[i] === byte);
    if (!isLegacy && !isZip(head)) throw new FormatError('format', `${source.name}: ${whatElse(head)}: a PyTorch file is expected`);
    const { tensors, locate } = isLegacy ? await parseLegacy(source) : await parseZip(source);
    return tensorFiles(source, tensors, locate);
  } catch (error) {
    await source.close();
    throw error;
  }
}

function whatElse(head: Uint8Array): string {
  const text = String.fromCharCode(...head);
  if (text === '') return 'is empty';
  if (text.startsWith('version http')) return 'is a Git LFS pointer (download the file that it points to)';
  if (/^\s*</.test(text)) return 'is a web page (is the download URL right?)';
  return 'is neither a zip archive nor a legacy PyTorch file';
}

function tensorFiles(source: ByteSource, tensors: ReadonlyMap<string, TorchTensor>, locate: Locate): TensorFiles {
  const infos = new Map<string, TensorInfo>();
  for (const [name, tensor] of tensors) infos.set(name, checked(source, name, tensor));
  const strided = stridedReader(source);
  const name = source.name;
  return {
    name,
    tensors: infos,
    async readInto(info, target, from = 0) {
      const tensor = tensors.get(info.name);
      const own = infos.get(info.name);
      if (tensor === undefined || own === undefined) throw new InputError(`${name}: there is no tensor ${info.name}`);
      if (!(from >= 0 && from + target.byteLength <= own.bytes))
        throw new InputError(`${name}: ${info.name} has ${own.bytes} bytes: wanted ${target.byteLength} bytes from ${from} on`);
      if (target.byteLength === 0) return;
      const size = BLOCKS[tensor.type].bytes;
      const position = (await locate(tensor.storage)) + (tensor.storage.first + tensor.offset) * size;
      if (isContiguous(tensor)) await source.readInto(target, position + from);
      else await strided.readInto({ position, size, shape: tensor.shape, strides: tensor.strides }, target, from);
    },
    async close() {
      strided.clear();
      await source.close();
    },
  };
}

/** What the tensor looks like from outside; throws where it leaves its storage. */
function checked(source: ByteSource, name: string, tensor: TorchTensor): TensorInfo {
  const { type, shape, strides, offset, storage } = tensor;
  const where = `${source.name}: ${name}`;
  const bytes = storedBytes(where, type, shape, 'structure');
  const last = shape.reduce((at, axis, i) => at + (axis - 1) * strides[i]!, offset);
  if (bytes > 0 && !(last < storage.length)) {
    throw new FormatError(
      'structure',
      `${where}: [${shape.join(', ')}] with strides [${strides.join(', ')}] from element ${offset} on ends at ${last}: its storage has ${storage.length}`,
    );
  }
  // An expanded tensor is larger than what is stored for it; no weight is.
  if (strides.includes(0) && bytes / BLOCKS[type].bytes > 2 ** 31)
    throw new FormatError('limit', `${where}: [${shape.join(', ')}] repeats ${storage.length} stored values more than 2^31 times`);
  return { name, type, shape, bytes };
}

function isContiguous({ shape, strides }: TorchTensor): boolean {
  let want = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== want) return false;
    want *= shape[i]!;
  }
  return true;
}

async function parseZip(source: ByteSource): Promise<Parsed> {
  const members = await readZip(source);
  const roots = [...members.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name)).map((name) => name.slice(0, -'data.pkl'.length));
  const [root] = roots;
  if (root === undefined)
    throw new FormatError('structure', `${source.name}: a zip archive without a data.pkl: torch.save writes one into its only folder`);
  if (roots.length > 1)
    throw new FormatError('duplicate', `${source.name}: has several data.pkl: ${roots.map((r) => JSON.stringify(r)).join(', ')}`);
  if (members.has(`${root}constants.pkl`) || [...members.keys()].some((name) => name.startsWith(`${root}code/`)))
    throw new UnsupportedError(`${source.name}: is a TorchScript program: save the state_dict() of the module instead`);
  const order = members.get(`${root}byteorder`);
  if (order !== undefined && new TextDecoder().decode(await memberBytes(source, order, 16)).trim() !== 'little')
    throw new UnsupportedError(`${source.name}: is of a big-endian machine: save it again on a little-endian one`);

  const bytes = await memberBytes(source, members.get(`${root}data.pkl`)!, MAX_PICKLE);
  const tensors = namedTensors(source.name, runPickle(bytes, 0, torchHost(source.name, new Map()), source.name).value);
  for (const { storage, type } of tensors.values()) {
    if (!/^[0-9]+$/.test(storage.key))
      throw new FormatError('traversal', `${source.name}: got the storage key ${JSON.stringify(storage.key)}: digits are expected`);
    const member = members.get(`${root}data/${storage.key}`);
    if (member === undefined) throw new FormatError('structure', `${source.name}: the storage ${storage.key} is missing`);
    if (storage.count * BLOCKS[type].bytes > member.bytes) {
      throw new FormatError(
        'structure',
        `${source.name}: the storage ${storage.key} has ${member.bytes} bytes: ${storage.count} values of ${type} are expected`,
      );
    }
  }
  return { tensors, locate: once((storage) => memberPosition(source, members.get(`${root}data/${storage.key}`)!)) };
}

async function parseLegacy(source: ByteSource): Promise<Parsed> {
  const { head, value, storages, keys, end } = await legacyPickles(source);
  if (head?.get('little_endian') !== true)
    throw new UnsupportedError(`${source.name}: is not of a little-endian machine: save it again on one`);
  const tensors = namedTensors(source.name, value);
  // In the file each storage follows its length. The lengths of the pickle say where; those of the file are compared when they are passed.
  const positions = new Map<string, number>();
  let at = end;
  for (const key of keys) {
    const storage = storages.get(key);
    if (storage === undefined || positions.has(key))
      throw new FormatError('structure', `${source.name}: the storage ${JSON.stringify(key)} is listed twice, or nothing lies in it`);
    positions.set(key, at + 8);
    at += 8 + storage.count * (storage.type === null ? 1 : BLOCKS[storage.type].bytes);
    if (at > source.size)
      throw new FormatError(
        'truncated',
        `${source.name}: its storages end at byte ${at}, the file at ${source.size}: is the download complete?`,
      );
  }
  for (const key of storages.keys())
    if (!positions.has(key)) throw new FormatError('structure', `${source.name}: the storage ${JSON.stringify(key)} is missing`);
  const locate = once(async ({ key, count }) => {
    const position = positions.get(key)!;
    const length = new Uint8Array(8);
    await source.readInto(length, position - 8);
    const got = new DataView(length.buffer).getBigInt64(0, true);
    if (got !== BigInt(count))
      throw new FormatError('structure', `${source.name}: the storage ${JSON.stringify(key)} has ${got} values: ${count} are expected`);
    return position;
  });
  return { tensors, locate };
}

interface LegacyPickles {
  /** Entries of the third pickle; undefined where it is no dict. */
  readonly head: Map<string | number | bigint, PickleValue> | undefined;
  readonly value: PickleValue;
  readonly storages: ReadonlyMap<string, TorchStorage>;
  readonly keys: readonly string[];
  readonly end: number;
}

/** Runs the five pickles at the head of a legacy file, over a piece of it that grows until they fit. */
async function legacyPickles(source: ByteSource): Promise<LegacyPickles> {
  for (let piece = FIRST_PIECE; ; piece *= 8) {
    const bytes = new Uint8Array(Math.min(piece, source.size, MAX_PICKLE));
    await source.readInto(bytes, 0);
    try {
      return runLegacy(bytes, source.name);
    } catch (error) {
      const grows = error instanceof FormatError && error.code === 'truncated' && bytes.length < source.size;
      if (!grows) throw error;
      if (bytes.length === MAX_PICKLE) throw new FormatError('limit', `${source.name}: its pickles are longer than ${MAX_PICKLE} bytes`);
    }
  }
}

function runLegacy(bytes: Uint8Array, where: string): LegacyPickles {
  const storages = new Map<string, TorchStorage>();
  const host = torchHost(where, storages);
  let end = LEGACY_MAGIC.length;
  const next = (): PickleValue => {
    const result = runPickle(bytes, end, host, where);
    end = result.end;
    return result.value;
  };
  const version = next();
  if (version !== LEGACY_VERSION)
    throw new FormatError('format', `${where}: got version ${String(version)} of the legacy format, ${LEGACY_VERSION} is expected`);
  const head = next();
  const value = next();
  const list = next();
  const keys = isKind(list, 'list') ? list.items : null;
  if (!keys?.every((key) => typeof key === 'string')) throw new FormatError('structure', `${where}: the list of storages is broken`);
  return { head: isKind(head, 'dict') ? head.entries : undefined, value, storages, keys, end };
}

/** Asks once per storage. */
function once(locate: Locate): Locate {
  const found = new Map<string, Promise<number>>();
  return (storage) => {
    let position = found.get(storage.key);
    if (position === undefined) {
      position = locate(storage);
      found.set(storage.key, position);
      // A failed read may succeed the next time.
      position.catch(() => found.delete(storage.key));
    }
    return position;
  };
}
