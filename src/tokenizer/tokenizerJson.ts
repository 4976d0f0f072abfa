// tokenizer.json: the hub's "fast" format. Its components are read by type; one that we do not know is refused by name.

import { FormatError, UnsupportedError } from '../errors.ts';
import { isObject } from '../formats/json.ts';
import { assemble } from './assemble.ts';
import { type BpeModel, bpeEncoder } from './bpe.ts';
import { toAlphabet } from './byteAlphabet.ts';
import { type HubConfig, hubToken } from './hubConfig.ts';
import { isControl } from './hubVocabularies.ts';
import { leadingTokens, readDecoder, readNormalizer, readPreTokenizer } from './jsonComponents.ts';
import { stringTable } from './stringTable.ts';
import type { Tokenizer } from './tokenizer.ts';
import { CONTROL, SPACE_MARK, setToken, type TokenList, tokenTable, UNKNOWN, USER_DEFINED } from './tokenTable.ts';
import { takeOut } from './vocabularyJson.ts';

/** Builds the tokenizer of a `tokenizer.json`; `config` names BOS and EOS, which the file itself does not. */
export function fromTokenizerJson(json: string, config: HubConfig, where: string): Tokenizer {
  const list: TokenList = { texts: [], kinds: [] };
  const merges: string[] = [];
  const file = parseRest(takeOut(json, list, merges, where), where);
  const spec = file.model;
  if (!isObject(spec)) throw new FormatError('structure', `${where}: model: got ${JSON.stringify(spec)}, an object is expected`);
  const type = spec.type ?? (spec.merges === undefined ? 'none' : 'BPE');
  if (type !== 'BPE') throw new UnsupportedError(`${where}: model type: got ${JSON.stringify(type)}, only "BPE" is supported`);
  if (!isObject(spec.vocab) || !Array.isArray(spec.merges)) {
    throw new FormatError(
      'structure',
      `${where}: a BPE model has an object vocab and a list merges: one of them is missing or of another kind`,
    );
  }
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout']) {
    if (spec[name]) throw new UnsupportedError(`${where}: model.${name}: got ${JSON.stringify(spec[name])}, only null is supported`);
  }

  const unk = typeof spec.unk_token === 'string' ? spec.unk_token : undefined;
  const unkId = unk === undefined ? -1 : list.texts.indexOf(unk);
  if (!Array.isArray(file.added_tokens ?? [])) throw new FormatError('structure', `${where}: added_tokens is not a list`);
  const added = ((file.added_tokens ?? []) as unknown[]).map((entry) => hubToken(isObject(entry) ? Number(entry.id) : -1, entry, where));
  for (const token of added) {
    setToken(list, token.id, token.text, token.special ? (token.text === unk ? UNKNOWN : CONTROL) : USER_DEFINED);
  }

  const normalize = readNormalizer(file.normalizer ?? null, where);
  const preTokenize = readPreTokenizer(file.pre_tokenizer ?? null, where);
  const decoder = readDecoder(file.decoder ?? null, preTokenize.alphabet, where);
  const ids = stringTable(list.texts, 'last', (id) => !isControl(list, id));
  const model: BpeModel = {
    ids,
    merges: stringTable(merges, 'first'),
    ignoreMerges: spec.ignore_merges === true,
    byteFallback: spec.byte_fallback === true,
    unkId: unkId < 0 ? null : unkId,
    fuseUnk: spec.fuse_unk === true,
  };
  const encodeWord = bpeEncoder(model);

  const leading = leadingTokens(file.post_processor ?? null, where);
  const named = (text: string | undefined): number | null => {
    const id = text === undefined ? -1 : list.texts.indexOf(text);
    return id < 0 ? null : id;
  };
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
    idOf(text) {
      const id = ids.find(text);
      return id >= 0 ? id : ids.find(preTokenize.alphabet ? toAlphabet(text) : text.replaceAll(' ', SPACE_MARK));
    },
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

function parseRest(json: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new FormatError('format', `${where}: broken JSON: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  if (!isObject(value)) throw new FormatError('structure', `${where}: got ${json.slice(0, 20)}, an object is expected`);
  return value;
}
