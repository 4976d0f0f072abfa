// A pickle machine that builds data and nothing else. Opcodes that tensor files do not need are refused, every global goes through the
// host's allow-list, and nothing is ever called but the host's own functions.

import { FormatError } from '../errors.ts';

/** A mutable list of pickled values. */
export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}
export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}
/** `ordered`: an OrderedDict, which may carry attributes. */
export interface PickleDict {
  readonly kind: 'dict';
  readonly ordered: boolean;
  readonly entries: Map<string | number | bigint, PickleValue>;
}
export interface PickleSet {
  readonly kind: 'set';
}
/** What the host made of a global, a persistent id or a call. */
export interface PickleObject {
  readonly kind: 'object';
}
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleSet
  | PickleObject;

/** What the machine asks of the format. Each may throw. */
export interface PickleHost {
  /** The value of a global that is allowed; anything else is refused here, whether it would be called or not. */
  global(module: string, name: string): PickleValue;
  persistent(id: PickleValue): PickleValue;
  call(target: PickleValue, args: readonly PickleValue[]): PickleValue;
  /** Attributes set on an object of the host. */
  build(target: PickleValue, state: PickleValue): void;
}

/** The largest pickle that is read; checkpoints have some hundred kilobytes. */
export const MAX_PICKLE: number = 64 * 1024 * 1024;
const MAX_MEMO = 2 ** 24;
const MAX_STACK = 2 ** 20;
/** A tensor takes about 40. */
const MAX_STEPS = 2 ** 22;
const MAX_LONG = 255;
/** Protocols 3 to 5 differ in opcodes only, and these are judged one by one. */
const MAX_PROTOCOL = 5;

/** Marks a place on the stack; never leaves the machine. */
const MARK: PickleObject = { kind: 'object' };

/**
 * Runs the pickle that begins at `start` and gives its value and the position behind it.
 * @param where the file's name, for messages
 * @throws FormatError `truncated` (the bytes end before STOP), `opcode`, `structure`, `limit`, and what the host throws
 */
export function runPickle(bytes: Uint8Array, start: number, host: PickleHost, where: string): { value: PickleValue; end: number } {
  const machine = new Machine(bytes, start, host, where);
  const value = machine.run();
  return { value, end: machine.at };
}

class Machine {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #where: string;
  readonly #stack: PickleValue[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, start: number, host: PickleHost, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
    this.#where = where;
    this.at = start;
  }

  run(): PickleValue {
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const at = this.#take(1);
      const opcode = this.#bytes[at]!;
      if (opcode === 0x2e) return this.#pop(); // STOP
      const value = this.#step(opcode, at);
      if (value !== undefined) this.#stack.push(value);
      if (this.#stack.length > MAX_STACK) throw this.#error('limit', at, `more than ${MAX_STACK} values on the stack`);
    }
    throw this.#error('limit', this.at, `more than ${MAX_STEPS} steps`);
  }

  /** Does what an opcode says; the value that it pushes, undefined where it pushes none. */
  #step(opcode: number, at: number): PickleValue | undefined {
    switch (opcode) {
      case 0x80: // PROTO
        if (this.#u8() > MAX_PROTOCOL) throw this.#error('format', at, `pickle protocol ${this.#bytes[at + 1]} is not known`);
        return;
      case 0x95: // FRAME: only a hint for buffering
        this.#length64(at);
        return;

      case 0x28: // MARK
        return MARK;
      case 0x30: // POP
        this.#pop();
        return;
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x4a: // BININT
        return this.#view.getInt32(this.#take(4), true);
      case 0x4b: // BININT1
        return this.#u8();
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#take(2), true);
      case 0x8a: // LONG1
        return this.#long(this.#u8());
      case 0x8b: {
        // LONG4
        const length = this.#view.getInt32(this.#take(4), true);
        if (length < 0 || length > MAX_LONG)
          throw this.#error('limit', at, `an integer of ${length} bytes: at most ${MAX_LONG} are expected`);
        return this.#long(length);
      }
      case 0x47: // BINFLOAT
        return this.#view.getFloat64(this.#take(8), false);

      case 0x58: // BINUNICODE
        return this.#text(this.#u32());
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(this.#u8());
      case 0x8d: // BINUNICODE8
        return this.#text(this.#length64(at));
      case 0x55: // SHORT_BINSTRING
        return this.#latin1(this.#u8());
      case 0x54: // BINSTRING
        return this.#latin1(this.#u32());
      case 0x43: // SHORT_BINBYTES
        return this.#raw(this.#u8());
      case 0x42: // BINBYTES
        return this.#raw(this.#u32());
      case 0x8e: // BINBYTES8
        return this.#raw(this.#length64(at));

      case 0x29: // EMPTY_TUPLE
        return { kind: 'tuple', items: [] };
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return { kind: 'tuple', items: this.#popMany(opcode - 0x84) };
      case 0x74: // TUPLE
        return { kind: 'tuple', items: this.#popToMark() };
      case 0x5d: // EMPTY_LIST
        return { kind: 'list', items: [] };
      case 0x7d: // EMPTY_DICT
        return { kind: 'dict', ordered: false, entries: new Map() };
      case 0x8f: // EMPTY_SET
        return { kind: 'set' };
      case 0x61: // APPEND
        this.#append(at, [this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#append(at, this.#popToMark());
        return;
      case 0x73: // SETITEM
        this.#setItems(at, this.#popMany(2));
        return;
      case 0x75: // SETITEMS
        this.#setItems(at, this.#popToMark());
        return;
      case 0x90: // ADDITEMS: no tensor is reached through a set
        this.#popToMark();
        if (!isKind(this.#top(), 'set')) throw this.#error('structure', at, 'items are added to what is no set');
        return;

      case 0x71: // BINPUT
        this.#remember(at, this.#u8());
        return;
      case 0x72: // LONG_BINPUT
        this.#remember(at, this.#u32());
        return;
      case 0x94: // MEMOIZE
        this.#remember(at, this.#memo.size);
        return;
      case 0x68: // BINGET
        return this.#recall(at, this.#u8());
      case 0x6a: // LONG_BINGET
        return this.#recall(at, this.#u32());

      case 0x63: // GLOBAL
        return this.#host.global(this.#line(), this.#line());
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.#error('structure', at, 'the name of a global is no text');
        return this.#host.global(module, name);
      }
      case 0x51: // BINPERSID
        return this.#host.persistent(this.#pop());
      case 0x52: {
        // REDUCE
        const args = this.#pop();
        const target = this.#pop();
        if (!isKind(args, 'tuple')) throw this.#error('structure', at, 'the arguments of a call are no tuple');
        return this.#host.call(target, args.items);
      }
      case 0x62: {
        // BUILD
        const state = this.#pop();
        this.#host.build(this.#top(), state);
        return;
      }
    }
    throw this.#error('opcode', at, `the opcode 0x${opcode.toString(16).padStart(2, '0')} is not needed by tensor files and is refused`);
  }

  #error(code: string, at: number, what: string): FormatError {
    return new FormatError(code, `${this.#where}: at byte ${at} of the pickle: ${what}`);
  }

  /** Moves on by `count` bytes; the position before. */
  #take(count: number): number {
    const at = this.at;
    if (at + count > this.#bytes.length)
      throw this.#error('truncated', at, `${count} bytes are wanted, ${this.#bytes.length - at} are left`);
    this.at = at + count;
    return at;
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #length64(at: number): number {
    const length = this.#view.getBigUint64(this.#take(8), true);
    if (length > MAX_PICKLE) throw this.#error('limit', at, `a length of ${length} bytes`);
    return Number(length);
  }

  #raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #text(length: number): string {
    const at = this.at;
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#raw(length));
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw this.#error('structure', at, 'text is not valid UTF-8');
    }
  }

  #latin1(length: number): string {
    let text = '';
    for (const byte of this.#raw(length)) text += String.fromCharCode(byte);
    return text;
  }

  /** A line of GLOBAL. */
  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.#error('truncated', this.at, 'a name has no end');
    const text = this.#text(end - this.at);
    this.at = end + 1;
    return text;
  }

  /** Little-endian two's complement; a number where it fits exactly. */
  #long(length: number): number | bigint {
    const raw = this.#raw(length);
    let value = 0n;
    for (let i = raw.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(raw[i]!);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.#error('structure', this.at, 'a value is wanted from an empty stack');
    return value;
  }

  #top(): PickleValue {
    const value = this.#pop();
    this.#stack.push(value);
    return value;
  }

  #popMany(count: number): PickleValue[] {
    const values = this.#stack.slice(-count);
    if (values.length < count || values.includes(MARK))
      throw this.#error('structure', this.at, `${count} values are wanted from the stack`);
    this.#stack.length -= count;
    return values;
  }

  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.#error('structure', this.at, 'there is no mark on the stack');
    const values = this.#stack.splice(mark);
    values.shift();
    return values;
  }

  #append(at: number, values: readonly PickleValue[]): void {
    const list = this.#top();
    if (!isKind(list, 'list')) throw this.#error('structure', at, 'values are appended to what is no list');
    for (const value of values) list.items.push(value);
  }

  #setItems(at: number, pairs: readonly PickleValue[]): void {
    const dict = this.#top();
    if (!isKind(dict, 'dict') || pairs.length % 2 !== 0) throw this.#error('structure', at, 'items are set on what is no dict');
    for (let i = 0; i < pairs.length; i += 2) {
      const key = pairs[i]!;
      if (!isKey(key)) throw this.#error('structure', at, 'the key of a dict is neither text nor a whole number');
      dict.entries.set(key, pairs[i + 1]!);
    }
  }

  #remember(at: number, index: number): void {
    if (index >= MAX_MEMO) throw this.#error('limit', at, `a memo index of ${index}`);
    this.#memo.set(index, this.#top());
  }

  #recall(at: number, index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#error('structure', at, `nothing is remembered as ${index}`);
    return value;
  }
}

/** Whether a value is a container or object of this kind. */
export function isKind<K extends 'list' | 'tuple' | 'dict' | 'set' | 'object'>(
  value: PickleValue,
  kind: K,
): value is Extract<PickleValue, { readonly kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

/** Whether a value may be the key of a dict. */
export function isKey(value: PickleValue): value is string | number | bigint {
  return typeof value === 'string' || typeof value === 'bigint' || Number.isInteger(value);
}
