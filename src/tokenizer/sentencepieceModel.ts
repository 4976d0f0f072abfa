// tokenizer.model: sentencepiece's ModelProto.

import { FormatError, UnsupportedError } from '../errors.ts';
import { fields } from './protobuf.ts';
import { NORMAL, type TokenList } from './tokenTable.ts';

/** A sentencepiece BPE vocabulary, from whatever file. */
export interface SentencepieceModel {
  readonly pieces: TokenList;
  readonly scores: ArrayLike<number>;
  readonly byteFallback: boolean;
  readonly unkId: number;
  /** -1: none. */
  readonly bosId: number;
  readonly eosId: number;
  readonly unknownSurface: string;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
}

/** Reads a `tokenizer.model`. Refuses what no BPE checkpoint has: unigram models, normalization tables. */
export function readSentencepieceModel(bytes: Uint8Array, where: string): SentencepieceModel {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const pieces: TokenList = { texts: [], kinds: [] };
  const scores: number[] = [];
  const trainer = { modelType: 1, byteFallback: false, unkId: 0, bosId: 1, eosId: 2, unknownSurface: ' \u2047 ' };
  const normalizer = { addDummyPrefix: true, removeExtraWhitespaces: true };

  for (const field of fields(bytes, where)) {
    if (field.number === 1) {
      let [text, score, kind] = ['', 0, NORMAL];
      for (const part of fields(field.bytes, where)) {
        if (part.number === 1) text = utf8.decode(part.bytes);
        else if (part.number === 2) score = part.float;
        else if (part.number === 3) kind = part.int;
      }
      pieces.texts.push(text);
      pieces.kinds.push(kind);
      scores.push(score);
    } else if (field.number === 2) {
      for (const part of fields(field.bytes, where)) {
        if (part.number === 3) trainer.modelType = part.int;
        else if (part.number === 35) trainer.byteFallback = part.int !== 0;
        else if (part.number === 40) trainer.unkId = part.int;
        else if (part.number === 41) trainer.bosId = part.int;
        else if (part.number === 42) trainer.eosId = part.int;
        else if (part.number === 44) trainer.unknownSurface = utf8.decode(part.bytes);
      }
    } else if (field.number === 3) {
      for (const part of fields(field.bytes, where)) {
        if (part.number === 2 && part.bytes.length > 0) {
          throw new UnsupportedError(
            `${where}: normalizer with a character map: got ${part.bytes.length} bytes, only the identity is supported`,
          );
        }
        if (part.number === 3) normalizer.addDummyPrefix = part.int !== 0;
        else if (part.number === 4) normalizer.removeExtraWhitespaces = part.int !== 0;
        else if (part.number === 5 && part.int === 0) {
          throw new UnsupportedError(`${where}: escape_whitespaces: got false, only true is supported`);
        }
      }
    }
  }
  if (pieces.texts.length === 0) throw new FormatError('structure', `${where}: no pieces: got 0, a sentencepiece model has a vocabulary`);
  if (trainer.modelType !== 2) {
    const name = ['', 'unigram', 'bpe', 'word', 'char'][trainer.modelType] ?? String(trainer.modelType);
    throw new UnsupportedError(`${where}: sentencepiece model type: got ${name}, only bpe is supported`);
  }
  return { pieces, scores, ...trainer, ...normalizer };
}
