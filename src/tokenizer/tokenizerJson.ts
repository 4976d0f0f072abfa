// tokenizer.json: the hub's "fast" format. Its components are read by type; one that we do not know is refused by name.

import { FormatError, UnsupportedError } from '../errors.ts';
import { isObject } from '../formats/json.ts';
import { assemble } from './assemble.ts';
import { type BpeModel, bpeEncoder } from './bpe.ts';
import { toAlphabet } from './byteAlphabet.ts';
import { mergeRanks } from './families.ts';
import { type HubConfig, hubToken } from './hubConfig.ts';
import { parseObject, readVocab } from './hubVocabularies.ts';
import { leadingTokens, readDecoder, readNormalizer, readPreTokenizer } from './jsonComponents.ts';
import type { Tokenizer } from './tokenizer.ts';
import { CONTROL, SPACE_MARK, setToken, type TokenList, tokenTable, UNKNOWN, USER_DEFINED } from './tokenTable.ts';

/** Builds the tokenizer of a `tokenizer.json`; `config` names BOS and EOS, which the file itself does not. */
export function fromTokenizerJson(json: string, config: HubConfig, where: string): Tokenizer {
  const file = parseObject(json, where);
  const spec = file.model;
  if (!isObject(spec) || !isObject(spec.vocab))
    throw new UnsupportedError(`${where}: model without a vocabulary table: only BPE is supported`);
  const type = spec.type ?? (spec.merges === undefined ? 'none' : 'BPE');
  if (type !== 'BPE') throw new UnsupportedError(`${where}: model type: got ${JSON.stringify(type)}, only "BPE" is supported`);
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout']) {
    if (spec[name]) throw new UnsupportedError(`${where}: model.${name}: got ${JSON.stringify(spec[name])}, only null is supported`);
  }

  const list: TokenList = { texts: [], kinds: [] };
  const ids = readVocab(spec.vocab, list, where);
  const unk = typeof spec.unk_token === 'string' ? spec.unk_token : undefined;
  const unkId = unk === undefined ? undefined : ids.get(unk);
  if (!Array.isArray(file.added_tokens ?? [])) throw new FormatError('structure', `${where}: added_tokens is not a list`);
  const added = ((file.added_tokens ?? []) as unknown[]).map((entry) => hubToken(isObject(entry) ? Number(entry.id) : -1, entry, where));
  for (const token of added) {
    setToken(list, token.id, token.text, token.special ? (token.text === unk ? UNKNOWN : CONTROL) : USER_DEFINED);
    if (token.special) ids.delete(token.text);
  }

  const normalize = readNormalizer(file.normalizer ?? null, where);
  const preTokenize = readPreTokenizer(file.pre_tokenizer ?? null, where);
  const decoder = readDecoder(file.decoder ?? null, preTokenize.alphabet, where);
  const model: BpeModel = {
    ids,
    merges: mergeRanks(mergeLines(spec.merges, where)),
    ignoreMerges: spec.ignore_merges === true,
    byteFallback: spec.byte_fallback === true,
    unkId: unkId ?? null,
    fuseUnk: spec.fuse_unk === true,
  };
  const encodeWord = bpeEncoder(model);

  const leading = leadingTokens(file.post_processor ?? null, where);
  const named = (text: string | undefined): number | null =>
    added.find((token) => token.text === text)?.id ?? (text === undefined ? null : (ids.get(text) ?? null));
  // Llama's class rewrites the file's rule from its own switch.
  const addBos = /^(Llama|CodeLlama)/.test(config.tokenizerClass ?? '') ? (config.addBos ?? leading.length > 0) : leading.length > 0;

  return assemble({
    // sic: the hub spells added tokens in the model's alphabet too, where their characters allow it.
    table: tokenTable(list.texts, Uint8Array.from(list.kinds), decoder.spelling, new Set()),
    added,
    normalize,
    encodeText(text, atStart, out) {
      for (const word of preTokenize.split(text, atStart)) encodeWord(word, out);
    },
    idOf: (text) => ids.get(text) ?? ids.get(preTokenize.alphabet ? toAlphabet(text) : text.replaceAll(' ', SPACE_MARK)),
    bosId: named(config.bos) ?? named(leading[0]),
    eosId:
      named(config.eos) ??
      added.find((token) => token.special && ['</s>', '<|endoftext|>', '<|end_of_text|>'].includes(token.text))?.id ??
      null,
    addBos,
    dropLeadingSpace: decoder.dropLeadingSpace,
    unknownSurface: unk ?? '',
  });
}

function* mergeLines(merges: unknown, where: string): Generator<string> {
  if (!Array.isArray(merges)) throw new FormatError('structure', `${where}: model.merges is not a list`);
  for (const merge of merges as unknown[]) {
    if (typeof merge === 'string') yield merge;
    else if (Array.isArray(merge) && merge.length === 2) yield `${merge[0]} ${merge[1]}`;
    else throw new FormatError('structure', `${where}: a merge has two parts: got ${JSON.stringify(merge)}`);
  }
}
