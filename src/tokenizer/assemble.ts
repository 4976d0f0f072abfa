// Puts a tokenizer together from its parts: added tokens are split off first, the model encodes what lies between.

import { type AddedToken, type Allowed, splitter } from './addedTokens.ts';
import { tokenStream } from './stream.ts';
import type { DecodeOptions, TextSegment, Tokenizer } from './tokenizer.ts';
import { CONTROL, NORMAL, type TokenTable, UNKNOWN } from './tokenTable.ts';

/** What the families differ in. Texts between added tokens come with `atStart`: whether they begin the whole text. */
export interface TokenizerParts {
  readonly table: TokenTable;
  readonly added: readonly AddedToken[];
  /** Applied before `normalized` added tokens are searched. */
  normalize(text: string, atStart: boolean): string;
  /** Appends the ids of a normalized text. */
  encodeText(text: string, atStart: boolean, out: number[]): void;
  /** Hook for a text whose very first thing is an added token. */
  beforeFirst?(token: number, out: number[]): void;
  /** Id of a token of the model by the text it stands for, -1 where there is none. */
  idOf(text: string): number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addBos: boolean;
  /** Ids that end an answer besides `eosId` and the control tokens known by their text. */
  readonly moreEnds?: readonly number[];
  /** Decoding drops the space that stands for the dummy prefix. */
  readonly dropLeadingSpace: boolean;
  /** What the unknown token is shown as. */
  readonly unknownSurface: string;
}

/** What the makers of both families are told besides the vocabulary. */
export interface Common {
  readonly added: readonly AddedToken[];
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addBos: boolean;
  readonly moreEnds?: readonly number[];
}

/** Texts of control tokens that end an answer whatever the configuration says. */
export const END_TEXTS: ReadonlySet<string> = new Set([
  '</s>',
  '<|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|end|>',
  '<|end_of_text|>',
  '<end_of_turn>',
]);

/** Placeholders of LLaVA checkpoints: never found in text from users, whatever their flags say. */
const IMAGE_TEXTS: ReadonlySet<string> = new Set(['<image>', '<im_start>', '<im_end>', '<im_patch>']);

const always: Allowed = () => true;
const never: Allowed = () => false;

/** Half of a surrogate pair on its own is not a character. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');

export function assemble(parts: TokenizerParts): Tokenizer {
  const { table } = parts;
  const added = parts.added.map((token) => (IMAGE_TEXTS.has(token.text) ? { ...token, control: true } : token));
  const splitRaw = splitter(added.filter((token) => !token.normalized));
  // In a text of mixed trust, places are only known before normalization: control tokens are then searched in the raw text.
  const splitMixed = splitter(added.filter((token) => !token.normalized || token.control));
  const late = added.filter((token) => token.normalized).map((token) => ({ ...token, text: parts.normalize(token.text, true) }));
  const splitNormalized = splitter(late);
  const addedIds = new Map(added.map((token) => [token.text, token.id]));
  const control = (id: number): boolean => table.kinds[id] === CONTROL;

  const ends = new Set(parts.moreEnds);
  if (parts.eosId !== null) ends.add(parts.eosId);
  for (const text of END_TEXTS) {
    const id = addedIds.get(text);
    if (id !== undefined && control(id)) ends.add(id);
  }

  function encodeInto(out: number[], text: string, allowed: Allowed): void {
    const mixed = allowed !== always && allowed !== never;
    let first = true;
    for (const { id, start, end } of (mixed ? splitMixed : splitRaw)(text, allowed)) {
      if (id !== null) {
        if (first) parts.beforeFirst?.(id, out);
        out.push(id);
      } else {
        const normalized = parts.normalize(text.slice(start, end), start === 0);
        if (late.length === 0) parts.encodeText(normalized, start === 0, out);
        else {
          for (const piece of splitNormalized(normalized, mixed ? never : allowed)) {
            if (piece.id !== null) out.push(piece.id);
            else parts.encodeText(normalized.slice(piece.start, piece.end), start === 0 && piece.start === 0, out);
          }
        }
      }
      first = false;
    }
  }

  function start(bos: boolean | undefined): number[] {
    return bos === true && parts.addBos && parts.bosId !== null ? [parts.bosId] : [];
  }

  const surface = new TextEncoder().encode(parts.unknownSurface);
  const nothing = new Uint8Array(0);
  function shown(id: number, options: DecodeOptions | undefined): Uint8Array {
    const bytes = table.bytes(id);
    if (options?.special === true || table.kinds[id] === NORMAL) return bytes;
    return control(id) ? nothing : table.kinds[id] === UNKNOWN ? surface : bytes;
  }

  return {
    size: table.size,
    bosId: parts.bosId,
    eosId: parts.eosId,
    addBos: parts.addBos,
    endOfGeneration: ends,
    encode(text, options) {
      const out = start(options?.bos);
      encodeInto(out, wellFormed(text), options?.special === true ? always : never);
      return out;
    },
    encodeSegments(segments, options) {
      const out = start(options?.bos);
      const texts = segments.map((segment) => wellFormed(segment.text));
      encodeInto(out, texts.join(''), trust(segments, texts));
      return out;
    },
    decode(ids, options) {
      const stream = tokenStream((id) => shown(id, options));
      let text = '';
      for (const id of ids) text += stream.push(id);
      text += stream.flush();
      return parts.dropLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
    },
    tokenToBytes: (id) => table.bytes(id).slice(),
    tokenId(text) {
      const id = addedIds.get(text) ?? parts.idOf(text);
      return id >= 0 ? id : null;
    },
    isControl: control,
    stream: (options) => tokenStream((id) => shown(id, options)),
  };
}

/** Where control tokens may be found: within one special segment each. */
function trust(segments: readonly TextSegment[], texts: readonly string[]): Allowed {
  if (segments.every((segment) => !segment.special)) return never;
  if (segments.length === 1) return always;
  const ranges: [number, number][] = [];
  let at = 0;
  for (const [i, text] of texts.entries()) {
    if (segments[i]!.special) ranges.push([at, at + text.length]);
    at += text.length;
  }
  return (start, end) => ranges.some((range) => range[0] <= start && end <= range[1]);
}
