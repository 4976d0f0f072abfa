// The vocabulary as a table: text, kind and bytes of every id. Bytes lie in one array with offsets.

import { FormatError, InputError } from '../errors.ts';
import { fromAlphabet } from './byteAlphabet.ts';

/** Kinds of tokens; the numbers are those of sentencepiece and GGUF. */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const UNUSED = 5;
export const BYTE = 6;

/** U+2581, sentencepiece's visible space. */
export const SPACE_MARK = '\u2581';

/** How a token's text becomes bytes: sentencepiece pieces, GPT-2's alphabet, or as it stands. */
export type Spelling = 'sentencepiece' | 'alphabet' | 'plain';

/** More ids than any vocabulary has: a bound for what a hostile file can make us allocate. */
const MAX_IDS = 1 << 22;

export interface TokenTable {
  readonly size: number;
  readonly texts: readonly string[];
  /** Kind by id; 0 for ids without a token. */
  readonly kinds: Uint8Array;
  bytes(id: number): Uint8Array;
}

/** Refuses an id that no vocabulary has. */
export function checkId(id: unknown, where: string, text: string): number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MAX_IDS) {
    throw new FormatError(
      'limit',
      `${where}: id of token ${JSON.stringify(text)}: got ${String(id)}, an integer below ${MAX_IDS} is needed`,
    );
  }
  return id;
}

/** Builds the table. `plain` names ids whose text stands for itself whatever the spelling of the vocabulary. */
export function tokenTable(texts: readonly string[], kinds: Uint8Array, spelling: Spelling, plain: ReadonlySet<number>): TokenTable {
  const size = texts.length;
  let store: { bytes: Uint8Array; ends: Uint32Array } | undefined;
  return {
    size,
    texts,
    kinds,
    bytes(id) {
      if (!Number.isInteger(id) || id < 0 || id >= size)
        throw new InputError(`tokenizer: no such token: got id ${id}, ids are 0..${size - 1}`);
      store ??= spell(texts, kinds, spelling, plain);
      return store.bytes.subarray(id === 0 ? 0 : store.ends[id - 1]!, store.ends[id]!);
    },
  };
}

function spell(
  texts: readonly string[],
  kinds: Uint8Array,
  spelling: Spelling,
  plain: ReadonlySet<number>,
): { bytes: Uint8Array; ends: Uint32Array } {
  const encoder = new TextEncoder();
  let room = 0;
  for (const text of texts) room += 3 * text.length;
  let bytes = new Uint8Array(room + 16);
  const ends = new Uint32Array(texts.length);
  let at = 0;
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id]!;
    const kind = kinds[id]!;
    const byte = spelling === 'sentencepiece' && kind === BYTE ? byteOf(text) : -1;
    if (byte >= 0) {
      bytes[at++] = byte;
    } else {
      const end = spelling === 'alphabet' && !plain.has(id) ? fromAlphabet(text, bytes, at) : -1;
      if (end >= 0) at = end;
      else {
        const shown = spelling === 'sentencepiece' && !plain.has(id) && text.includes(SPACE_MARK) ? text.replaceAll(SPACE_MARK, ' ') : text;
        at += encoder.encodeInto(shown, bytes.subarray(at)).written;
      }
    }
    ends[id] = at;
  }
  bytes = bytes.slice(0, at);
  return { bytes, ends };
}

/** The byte of a piece such as `<0x0A>`, -1 for other texts. */
export function byteOf(text: string): number {
  return /^<0x[0-9A-F]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : -1;
}

/** A growing list of tokens, from which tables are made. */
export interface TokenList {
  readonly texts: string[];
  readonly kinds: number[];
}

/** Sets the token of an id, with empty tokens of kind 0 for ids that were skipped. */
export function setToken(list: TokenList, id: number, text: string, kind: number): void {
  while (list.texts.length <= id) {
    list.texts.push('');
    list.kinds.push(0);
  }
  list.texts[id] = text;
  list.kinds[id] = kind;
}
