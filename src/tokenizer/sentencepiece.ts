// Sentencepiece BPE: join the adjacent pair whose concatenation is the piece with the highest score; bytes or the unknown token for the rest.

import { plainAdded, splitter } from './addedTokens.ts';
import { codePointBounds, mergeSymbols } from './mergeSymbols.ts';
import type { SentencepieceModel } from './sentencepieceModel.ts';
import { stringTable } from './stringTable.ts';
import { BYTE, byteOf, NORMAL, SPACE_MARK, UNUSED, USER_DEFINED } from './tokenTable.ts';

/** Encodes texts whose spaces are U+2581. */
export interface PieceEncoder {
  encode(marked: string, out: number[]): void;
  /** -1 where there is none. */
  idOf(marked: string): number;
}

const utf8 = new TextEncoder();

/** The encoder of a vocabulary. `userDefined`: pieces of that kind are found first, wherever they stand (sentencepiece's own rule). */
export function sentencepieceEncoder(model: SentencepieceModel, userDefined: boolean): PieceEncoder {
  const { texts, kinds } = model.pieces;
  const ranks = rankScores(model.scores);
  const byteIds = new Int32Array(256).fill(-1);
  const fixed = [];
  let unused = false;
  for (let id = 0; id < texts.length; id++) {
    const kind = kinds[id]!;
    const text = texts[id]!;
    if (kind === BYTE) {
      const byte = byteOf(text);
      if (byte >= 0) byteIds[byte] = id;
    }
    unused ||= kind === UNUSED;
    if (kind === USER_DEFINED && userDefined) fixed.push(plainAdded(id, text, false));
  }
  const formed = (id: number): boolean => kinds[id] === NORMAL || kinds[id] === USER_DEFINED || kinds[id] === UNUSED;
  const ids = stringTable(texts, 'last', formed);
  const bytesToo = model.byteFallback && !byteIds.includes(-1);
  const split = splitter(fixed);

  function encodePlain(text: string, out: number[]): void {
    const bounds = codePointBounds(text);
    // The two parts of each unused piece, to be taken apart again.
    const parts = new Map<string, number>();
    const result = mergeSymbols(
      bounds,
      (start, _, end) => {
        const id = end - start > ids.longest ? -1 : ids.find(text, start, end);
        return id < 0 ? -1 : ranks[id]!;
      },
      unused ? (start, mid, end) => parts.set(text.slice(start, end), mid - start) : undefined,
    );
    let afterUnknown = false;
    const emit = (symbol: string): void => {
      const id = ids.find(symbol);
      const mid = id >= 0 && kinds[id] === UNUSED ? parts.get(symbol) : undefined;
      if (mid !== undefined) {
        emit(symbol.slice(0, mid));
        emit(symbol.slice(mid));
      } else if (id >= 0) {
        out.push(id);
        afterUnknown = false;
      } else if (bytesToo) {
        for (const byte of utf8.encode(symbol)) out.push(byteIds[byte]!);
      } else {
        if (!afterUnknown) out.push(model.unkId);
        afterUnknown = true;
      }
    };
    for (let i = 1; i < result.length; i++) emit(text.slice(result[i - 1]!, result[i]!));
  }

  return {
    encode(marked, out) {
      for (const { id, start, end } of split(marked, () => false)) {
        if (id === null) encodePlain(marked.slice(start, end), out);
        else out.push(id);
      }
    },
    idOf: (marked) => ids.find(marked),
  };
}

/** Rank by id: 0 for the highest score, equal scores share a rank. */
function rankScores(scores: ArrayLike<number>): Int32Array {
  const values = Float64Array.from(scores, (score) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score));
  const sorted = values.slice().sort();
  const rankOf = new Map<number, number>();
  for (let i = sorted.length - 1; i >= 0; i--) if (!rankOf.has(sorted[i]!)) rankOf.set(sorted[i]!, rankOf.size);
  return Int32Array.from(values, (value) => rankOf.get(value)!);
}

/** Marks spaces, after the white-space rule of the model. */
export function markSpaces(text: string, removeExtra: boolean): string {
  return (removeExtra ? text.replace(/ +/g, ' ').replace(/^ | $/g, '') : text).replaceAll(' ', SPACE_MARK);
}
