// What the pickles of PyTorch may refer to: tensors, storages, and a few plain classes. The allow-list is exact; everything else is refused by name.

import { FormatError, UnsupportedError } from '../errors.ts';
import { isKey, isKind, type PickleDict, type PickleHost, type PickleObject, type PickleValue } from './pickle.ts';
import { BLOCKS, type StorageType } from './tensors.ts';

/** A storage as a persistent id names it. `type` is null for untyped bytes. */
export interface TorchStorage extends PickleObject {
  readonly is: 'storage';
  readonly key: string;
  readonly type: StorageType | null;
  /** Elements of the whole storage, bytes for untyped ones. */
  readonly count: number;
  /** Elements before those that the tensor's offset counts from (legacy views). */
  readonly first: number;
  /** Elements that the tensor may use, from `first` on. */
  readonly length: number;
}

/** A strided view of a storage. `offset` and `strides` count elements. */
export interface TorchTensor extends PickleObject {
  readonly is: 'tensor';
  readonly storage: TorchStorage;
  readonly type: StorageType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

type Call = (args: readonly PickleValue[]) => PickleValue;

/** A global of the allow-list: a dtype, a storage class, or something that can be called. */
interface Global extends PickleObject {
  readonly is: 'global';
  readonly name: string;
  /** A storage class's element type, a dtype's; null: untyped. */
  readonly type?: StorageType | null;
  readonly storage: boolean;
  readonly call?: Call;
}

const STORAGES: readonly (readonly [string, StorageType])[] = [
  ['FloatStorage', 'f32'],
  ['HalfStorage', 'f16'],
  ['BFloat16Storage', 'bf16'],
  ['DoubleStorage', 'f64'],
  ['LongStorage', 'i64'],
  ['IntStorage', 'i32'],
  ['ShortStorage', 'i16'],
  ['CharStorage', 'i8'],
  ['ByteStorage', 'u8'],
  ['BoolStorage', 'bool'],
];
const DTYPES: readonly (readonly [string, StorageType])[] = [
  ['float32', 'f32'],
  ['float16', 'f16'],
  ['bfloat16', 'bf16'],
  ['float64', 'f64'],
  ['int64', 'i64'],
  ['int32', 'i32'],
  ['int16', 'i16'],
  ['int8', 'i8'],
  ['uint8', 'u8'],
  ['bool', 'bool'],
];
/** A 1000 times the rank of any tensor; keeps hostile shapes short. */
const MAX_RANK = 64;

/**
 * The allow-list over one file. `where`: its name, for messages. `storages` gets every storage that the pickle names, whether a tensor of
 * the result lies in it or not; a key has one type and length.
 */
export function torchHost(where: string, storages: Map<string, TorchStorage>): PickleHost {
  const globals = new Map<string, Global>();
  const add = (name: string, rest: Partial<Global>): void => {
    globals.set(name, { kind: 'object', is: 'global', name, storage: false, ...rest });
  };
  for (const [name, type] of STORAGES) add(`torch ${name}`, { type, storage: true });
  add('torch.storage UntypedStorage', { type: null, storage: true });
  for (const [name, type] of DTYPES) add(`torch ${name}`, { type });
  add('collections OrderedDict', { call: (args) => orderedDict(where, args) });
  add('torch Size', { call: (args) => size(where, args) });
  add('torch._utils _rebuild_tensor', { call: (args) => tensor(where, args, 4, 4) });
  add('torch._utils _rebuild_tensor_v2', { call: (args) => tensor(where, args, 6, 7) });
  add('torch._utils _rebuild_tensor_v3', { call: (args) => tensor(where, args, 7, 8, dtype(where, args[6])) });
  add('torch._utils _rebuild_parameter', { call: (args) => parameter(where, args, 3) });
  add('torch._utils _rebuild_parameter_with_state', { call: (args) => parameter(where, args, 4) });
  return {
    global(module, name) {
      const found = globals.get(`${module} ${name}`);
      // A dot in a name would walk attributes in Python; no entry has one, nor a space.
      if (found === undefined || module.includes(' ')) {
        throw new FormatError(
          'global',
          `${where}: refused: ${module}.${name}: only tensors are read out of a pickle; this file would run code, or holds more than weights`,
        );
      }
      return found;
    },
    persistent(id) {
      const found = storage(where, id);
      const other = storages.get(found.key) ?? found;
      if (other.count !== found.count || other.type !== found.type)
        throw new FormatError('structure', `${where}: the storage ${JSON.stringify(found.key)} has two lengths or types`);
      storages.set(found.key, found);
      return found;
    },
    call(target, args) {
      if (!isObject(target) || target.is !== 'global' || target.call === undefined)
        throw new FormatError('structure', `${where}: refused: the pickle calls what is no function`);
      return target.call(args);
    },
    build(target, state) {
      // Module.state_dict() carries versions as an attribute; tensors may carry Python attributes. Neither matters to weights.
      if (isKind(target, 'dict') && target.ordered && isKind(state, 'dict')) return;
      if (isObject(target) && target.is === 'tensor') return;
      throw new FormatError('structure', `${where}: refused: the pickle sets attributes on what has none`);
    },
  };
}

/** The tensors below a dict by dotted names, in the order of the file. Each dict is entered once; lists and tuples are plain data. */
export function namedTensors(where: string, root: PickleValue): Map<string, TorchTensor> {
  if (!isKind(root, 'dict')) throw new FormatError('structure', `${where}: the file's object is no dict: a state dict is expected`);
  const result = new Map<string, TorchTensor>();
  const seen = new Set<PickleDict>();
  const open = new Set<PickleDict>();
  const walk = (dict: PickleDict, prefix: string): void => {
    if (open.has(dict)) throw new FormatError('structure', `${where}: the dict ${JSON.stringify(prefix)} contains itself`);
    if (seen.has(dict)) return;
    if (open.size >= 100) throw new FormatError('limit', `${where}: dicts are nested deeper than 100 levels`);
    seen.add(dict);
    open.add(dict);
    for (const [key, value] of dict.entries) {
      if (isKind(value, 'dict')) walk(value, `${prefix}${key}.`);
      else if (isObject(value) && value.is === 'tensor') {
        const name = `${prefix}${key}`;
        if (result.has(name)) throw new FormatError('duplicate', `${where}: two tensors are called ${name}`);
        result.set(name, value);
      }
    }
    open.delete(dict);
  };
  walk(root, '');
  return result;
}

type TorchObject = TorchStorage | TorchTensor | Global;

/** Every object of the machine is one of ours, but for its mark, which it never gives away. */
function isObject(value: PickleValue | undefined): value is TorchObject {
  return value !== undefined && isKind(value, 'object') && 'is' in value;
}

function count(where: string, what: string, value: PickleValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new FormatError('structure', `${where}: ${what}: got ${describe(value)}, a whole number from 0 on is expected`);
  return value;
}

function counts(where: string, what: string, value: PickleValue | undefined): number[] {
  if (value === undefined || !isKind(value, 'tuple') || value.items.length > MAX_RANK)
    throw new FormatError('structure', `${where}: ${what}: a tuple of at most ${MAX_RANK} numbers is expected`);
  return value.items.map((item) => count(where, what, item));
}

function describe(value: PickleValue | undefined): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** ('storage', class, key, location, elements[, view]) */
function storage(where: string, id: PickleValue): TorchStorage {
  if (!isKind(id, 'tuple') || id.items[0] !== 'storage' || id.items.length < 5 || id.items.length > 6)
    throw new FormatError('structure', `${where}: a persistent id is not that of a storage`);
  const [, type, key, , elements, view = null] = id.items;
  if (!isObject(type) || type.is !== 'global' || !type.storage)
    throw new FormatError('structure', `${where}: a persistent id names no storage class`);
  if (typeof key !== 'string') throw new FormatError('structure', `${where}: the key of a storage is no text`);
  const total = count(where, `elements of storage ${JSON.stringify(key)}`, elements);
  const whole = { kind: 'object', is: 'storage', key, type: type.type ?? null, count: total } as const;
  if (view === null) return { ...whole, first: 0, length: total };
  if (!isKind(view, 'tuple') || view.items.length !== 3) throw new FormatError('structure', `${where}: the view of a storage is no triple`);
  const first = count(where, `view of storage ${JSON.stringify(key)}`, view.items[1]);
  const length = count(where, `view of storage ${JSON.stringify(key)}`, view.items[2]);
  if (first + length > total)
    throw new FormatError('structure', `${where}: a view of ${first}..${first + length} in a storage of ${total} elements`);
  return { ...whole, first, length };
}

function dtype(where: string, value: PickleValue | undefined): StorageType {
  if (isObject(value) && value.is === 'global' && !value.storage && value.type) return value.type;
  throw new FormatError('structure', `${where}: a tensor's type is no dtype`);
}

/** (storage, offset, shape, strides, ...): `type` for tensors over untyped bytes. */
function tensor(where: string, args: readonly PickleValue[], least: number, most: number, type?: StorageType): TorchTensor {
  if (args.length < least || args.length > most)
    throw new FormatError('structure', `${where}: a tensor of ${args.length} parts: ${least} to ${most} are expected`);
  const [bytes, offset, shape, strides] = args;
  if (!isObject(bytes) || bytes.is !== 'storage') throw new FormatError('structure', `${where}: a tensor has no storage`);
  const own = type ?? bytes.type;
  if (own === null) throw new UnsupportedError(`${where}: a tensor over an untyped storage`);
  if (type !== undefined && bytes.type !== null && bytes.type !== type)
    throw new FormatError('structure', `${where}: a tensor of ${type} over a storage of ${bytes.type}`);
  const result: TorchTensor = {
    kind: 'object',
    is: 'tensor',
    storage: bytes.type === null ? elementsOf(where, bytes, own) : bytes,
    type: own,
    offset: count(where, 'offset of a tensor', offset),
    shape: counts(where, 'shape of a tensor', shape),
    strides: counts(where, 'strides of a tensor', strides),
  };
  if (result.shape.length !== result.strides.length)
    throw new FormatError('structure', `${where}: a tensor of ${result.shape.length} axes with ${result.strides.length} strides`);
  return result;
}

/** An untyped storage counted in elements. */
function elementsOf(where: string, bytes: TorchStorage, type: StorageType): TorchStorage {
  const size = BLOCKS[type].bytes;
  if (bytes.count % size !== 0 || bytes.first !== 0)
    throw new FormatError('structure', `${where}: a storage of ${bytes.count} bytes for elements of ${size}`);
  return { ...bytes, type, count: bytes.count / size, length: bytes.count / size };
}

function parameter(where: string, args: readonly PickleValue[], parts: number): PickleValue {
  const [value] = args;
  if (args.length !== parts || !isObject(value) || value.is !== 'tensor')
    throw new FormatError('structure', `${where}: a parameter without its tensor`);
  return value;
}

function size(where: string, args: readonly PickleValue[]): PickleValue {
  const [value] = args;
  if (args.length !== 1 || value === undefined || !isKind(value, 'tuple'))
    throw new FormatError('structure', `${where}: a torch.Size of no tuple`);
  return value;
}

function orderedDict(where: string, args: readonly PickleValue[]): PickleValue {
  const entries = new Map<string | number | bigint, PickleValue>();
  const [pairs] = args;
  if (args.length > 1 || (pairs !== undefined && !isKind(pairs, 'list') && !isKind(pairs, 'tuple')))
    throw new FormatError('structure', `${where}: an OrderedDict of something else than pairs`);
  for (const pair of pairs?.items ?? []) {
    const [key, value] = isKind(pair, 'list') || isKind(pair, 'tuple') ? pair.items : [];
    if (key === undefined || value === undefined || !isKey(key))
      throw new FormatError('structure', `${where}: an OrderedDict of something else than pairs`);
    entries.set(key, value);
  }
  return { kind: 'dict', ordered: true, entries };
}
