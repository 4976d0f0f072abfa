// The sentencepiece family as tokenizers: a vocabulary and its added tokens in, a Tokenizer out. Every file format ends here, tokenizer.json excepted.

import { assemble, type Common } from './assemble.ts';
import { markSpaces, sentencepieceEncoder } from './sentencepiece.ts';
import type { SentencepieceModel } from './sentencepieceModel.ts';
import type { Tokenizer } from './tokenizer.ts';
import { CONTROL, SPACE_MARK, type TokenList, tokenTable, UNKNOWN } from './tokenTable.ts';

/**
 * Where the dummy prefix goes. `segment`: before each text between added tokens (LlamaTokenizer with legacy=true, llama.cpp);
 * `start`: only where the text itself begins (legacy=false); `never`.
 */
export type Prefix = 'segment' | 'start' | 'never';

/** A sentencepiece BPE tokenizer; `pieces` are the model's and the added ones. */
export function sentencepieceTokenizer(
  model: SentencepieceModel,
  pieces: TokenList,
  common: Common,
  prefix: Prefix,
  userDefined: boolean,
): Tokenizer {
  const encoder = sentencepieceEncoder(model, userDefined);
  const kinds = Uint8Array.from(pieces.kinds);
  const plain = new Set(common.added.map((token) => token.id).filter((id) => id >= model.pieces.texts.length));
  const mark = (text: string, atStart: boolean): string => {
    const marked = markSpaces(text, model.removeExtraWhitespaces);
    return marked !== '' && (prefix === 'segment' || (prefix === 'start' && atStart)) ? SPACE_MARK + marked : marked;
  };
  return assemble({
    ...common,
    table: tokenTable(pieces.texts, kinds, 'sentencepiece', plain),
    normalize: (text) => text,
    encodeText: (text, atStart, out) => encoder.encode(mark(text, atStart), out),
    beforeFirst(token, out) {
      // sic: with legacy=false the prefix stands alone before an added token at the very start, unless that is a control token.
      if (prefix === 'start' && kinds[token] !== CONTROL && kinds[token] !== UNKNOWN) encoder.encode(SPACE_MARK, out);
    },
    idOf: (text) => encoder.idOf(markSpaces(text, false)),
    dropLeadingSpace: prefix !== 'never',
    unknownSurface: model.unknownSurface,
  });
}
