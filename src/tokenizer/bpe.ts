// Byte-pair encoding by merge ranks, of words over single characters: GPT-2's byte alphabet, or plain characters with byte fallback.

import { codePointBounds, mergeSymbols } from './mergeSymbols.ts';
import type { StringTable } from './stringTable.ts';
import { byteOf } from './tokenTable.ts';

/** The model of one vocabulary. */
export interface BpeModel {
  /** Token ids by their text in the model's alphabet. Control tokens are not among them: no merge may form one. */
  readonly ids: StringTable;
  /** Ranks of `left SPACE right`; null: the rank of a pair is the id of its concatenation (tiktoken). */
  readonly merges: StringTable | null;
  /** A word that is a token is taken at once. */
  readonly ignoreMerges: boolean;
  /** Characters without a token become `<0xXX>` tokens. */
  readonly byteFallback: boolean;
  /** For what nothing stands for; null: it is dropped. */
  readonly unkId: number | null;
  /** Adjacent unknowns become one. */
  readonly fuseUnk: boolean;
}

const CACHED_WORDS = 16384;
const CACHED_LENGTH = 64;
const utf8 = new TextEncoder();

/** Encodes words (what the pre-tokenizer left whole). Recent words are remembered. */
export function bpeEncoder(model: BpeModel): (word: string, out: number[]) => void {
  const { ids, merges } = model;
  const { longest } = merges ?? ids;
  const byteIds = new Int32Array(256).fill(-1);
  if (model.byteFallback) {
    for (let byte = 0; byte < 256; byte++) {
      const text = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
      byteIds[byteOf(text)] = ids.find(text);
    }
  }
  // Two generations make a cheap cache of recent words: what is found in the old one moves to the new.
  let young = new Map<string, readonly number[]>();
  let old = young;

  function encode(word: string, out: number[]): void {
    const whole = model.ignoreMerges || merges === null ? ids.find(word) : -1;
    if (whole >= 0) {
      out.push(whole);
      return;
    }
    const bounds = codePointBounds(word);
    // The length spares most lookups in long words.
    const rank = merges
      ? (start: number, mid: number, end: number): number => (end - start >= longest ? -1 : merges.findPair(word, start, mid, end))
      : (start: number, _: number, end: number): number => (end - start > longest ? -1 : ids.find(word, start, end));
    const result = mergeSymbols(bounds, rank);
    const unknown = { last: false };
    for (let i = 1; i < result.length; i++) emit(word.slice(result[i - 1]!, result[i]!), out, unknown);
  }

  function emit(symbol: string, out: number[], unknown: { last: boolean }): void {
    const id = ids.find(symbol);
    if (id >= 0) {
      out.push(id);
      unknown.last = false;
      return;
    }
    const characters = [...symbol];
    if (characters.length > 1) {
      for (const character of characters) emit(character, out, unknown);
      return;
    }
    if (model.byteFallback) {
      const bytes = Array.from(utf8.encode(symbol), (byte) => byteIds[byte]!);
      if (!bytes.includes(-1)) {
        out.push(...bytes);
        unknown.last = false;
        return;
      }
    }
    if (model.unkId !== null && !(unknown.last && model.fuseUnk)) out.push(model.unkId);
    unknown.last = true;
  }

  return (word, out) => {
    if (word.length > CACHED_LENGTH) return encode(word, out);
    let found = young.get(word) ?? old.get(word);
    if (found === undefined) {
      const fresh: number[] = [];
      encode(word, fresh);
      found = fresh;
    }
    if (young.size >= CACHED_WORDS) {
      old = young;
      young = new Map();
    }
    young.set(word, found);
    for (const id of found) out.push(id);
  };
}

/** Splits a text at an expression: the matches and what lies between them, in order. */
export function splitIsolated(text: string, expression: RegExp): string[] {
  const out: string[] = [];
  let from = 0;
  for (const match of text.matchAll(expression)) {
    if (match.index > from) out.push(text.slice(from, match.index));
    if (match[0] !== '') out.push(match[0]);
    from = match.index + match[0].length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}
