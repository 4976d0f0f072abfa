// The tokenizer of a GGUF file: keys `tokenizer.ggml.*`.

import { FormatError, UnsupportedError } from '../errors.ts';
import type { GgufMetadata } from '../formats/ggufMetadata.ts';
import { plainAdded } from './addedTokens.ts';
import { type Common, END_TEXTS } from './assemble.ts';
import type { Tokenizer } from './tokenizer.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED } from './tokenTable.ts';

/** The getters of GGUF metadata that a tokenizer needs. */
export type TokenizerMetadata = Pick<GgufMetadata, 'has' | 'u32' | 'bool' | 'string' | 'strings' | 'numbers'>;

/** Options of {@link tokenizerFromGguf}. */
export interface GgufTokenizerOptions {
  /** Sentencepiece: whether text after an added token gets a dummy prefix, as llama.cpp does. Default true; released LLaVA-1.5 repositories say false. */
  readonly legacy?: boolean;
}

const K = 'tokenizer.ggml.';

/** Builds the tokenizer that a GGUF file describes; texts give the ids that llama.cpp gives. Imports the family that the file is of. */
export async function tokenizerFromGguf(meta: TokenizerMetadata, options: GgufTokenizerOptions = {}): Promise<Tokenizer> {
  const kind = meta.string(`${K}model`);
  if (kind === 'no_vocab' || kind === 'none') {
    throw new UnsupportedError(
      `${K}model: the file carries no vocabulary: got ${JSON.stringify(kind)}, convert the model together with its tokenizer`,
    );
  }
  if (kind !== 'llama' && kind !== 'gpt2') {
    throw new UnsupportedError(`${K}model: unknown tokenizer: got ${JSON.stringify(kind)}, "llama" and "gpt2" are supported`);
  }
  const texts = [...meta.strings(`${K}tokens`)];
  const types = meta.has(`${K}token_type`) ? meta.numbers(`${K}token_type`) : null;
  if (types !== null && types.length !== texts.length) {
    throw new FormatError('structure', `${K}token_type: one per token is needed: got ${types.length} for ${texts.length} tokens`);
  }
  const kinds = types === null ? new Array<number>(texts.length).fill(NORMAL) : [...types];
  const added = [];
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id]!;
    // As llama.cpp does: some vocabularies have the text that ends an answer as an ordinary token.
    if (kinds[id] === NORMAL && END_TEXTS.has(text)) kinds[id] = CONTROL;
    const type = kinds[id]!;
    if (type === CONTROL || type === UNKNOWN || type === USER_DEFINED) added.push(plainAdded(id, text, type !== USER_DEFINED));
  }

  const llama = kind === 'llama';
  const special = (name: string, fallback: number | null): number | null => {
    const key = `${K}${name}_token_id`;
    const id = meta.has(key) ? meta.u32(key) : fallback;
    return id !== null && id < texts.length ? id : null;
  };
  const eot = special('eot', null);
  const common: Common = {
    added,
    bosId: special('bos', llama ? 1 : 11),
    eosId: special('eos', llama ? 2 : 11),
    // Old Llama 3 files do not carry the key.
    addBos: meta.bool(`${K}add_bos_token`, llama || meta.string(`${K}pre`, '').startsWith('llama')),
    moreEnds: eot === null ? [] : [eot],
  };
  const pieces = { texts, kinds };
  if (!llama) return (await import('./ggufByteLevel.ts')).byteLevelFromGguf(meta, pieces, common);

  const scores = meta.numbers(`${K}scores`);
  if (scores.length !== texts.length) {
    throw new FormatError('structure', `${K}scores: one per token is needed: got ${scores.length} for ${texts.length} tokens`);
  }
  const model = {
    pieces,
    scores,
    byteFallback: kinds.includes(BYTE),
    unkId: special('unknown', 0) ?? 0,
    bosId: common.bosId ?? -1,
    eosId: common.eosId ?? -1,
    unknownSurface: ' \u2047 ',
    addDummyPrefix: meta.bool(`${K}add_space_prefix`, true),
    removeExtraWhitespaces: false,
  };
  const prefix = model.addDummyPrefix ? (options.legacy === false ? 'start' : 'segment') : 'never';
  const { sentencepieceTokenizer } = await import('./sentencepieceTokenizer.ts');
  return sentencepieceTokenizer(model, pieces, common, prefix, false);
}
