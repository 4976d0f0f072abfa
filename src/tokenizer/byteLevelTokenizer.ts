// The byte-level family as tokenizers: a vocabulary and its added tokens in, a Tokenizer out. Every file format ends here, tokenizer.json excepted.

import { assemble, type Common } from './assemble.ts';
import { type BpeModel, bpeEncoder, splitIsolated } from './bpe.ts';
import { toAlphabet } from './byteAlphabet.ts';
import type { Tokenizer } from './tokenizer.ts';
import { type TokenList, tokenTable } from './tokenTable.ts';

/** A byte-level BPE tokenizer; `pieces` are spelled in GPT-2's alphabet, added tokens in plain text. */
export function byteLevelTokenizer(model: BpeModel, pieces: TokenList, common: Common, expression: RegExp, nfc: boolean): Tokenizer {
  const encodeWord = bpeEncoder(model);
  return assemble({
    ...common,
    table: tokenTable(pieces.texts, Uint8Array.from(pieces.kinds), 'alphabet', new Set(common.added.map((token) => token.id))),
    normalize: (text) => (nfc ? text.normalize('NFC') : text),
    encodeText(text, _, out) {
      for (const word of splitIsolated(text, expression)) encodeWord(toAlphabet(word), out);
    },
    idOf: (text) => model.ids.find(toAlphabet(text)),
    dropLeadingSpace: false,
    unknownSurface: '',
  });
}
