// Hub vocabularies other than tokenizer.json: tokenizer.model, vocab.json with merges.txt, *.tiktoken.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { type AddedToken, plainAdded } from './addedTokens.ts';
import type { Common } from './assemble.ts';
import type { BpeModel } from './bpe.ts';
import { bytesToAlphabet } from './byteAlphabet.ts';
import { byteLevelTokenizer } from './byteLevelTokenizer.ts';
import { namedExpression } from './expressions.ts';
import type { HubConfig } from './hubConfig.ts';
import { readSentencepieceModel } from './sentencepieceModel.ts';
import { sentencepieceTokenizer } from './sentencepieceTokenizer.ts';
import { stringTable } from './stringTable.ts';
import type { Tokenizer } from './tokenizer.ts';
import { CONTROL, checkId, NORMAL, setToken, type TokenList, UNKNOWN, USER_DEFINED } from './tokenTable.ts';
import { readVocabulary } from './vocabularyJson.ts';

/** Adds the configured tokens to a vocabulary: new ids, and special texts that the vocabulary has already. */
export function addTokens(list: TokenList, config: HubConfig, idOf: (text: string) => number, raw: boolean): AddedToken[] {
  const tokens = new Map<number, AddedToken>();
  for (const text of config.specialTexts) {
    const id = idOf(text);
    if (id >= 0) tokens.set(id, plainAdded(id, text, true));
  }
  // The slow tokenizers search every added token in the raw text.
  for (const token of config.added.values()) tokens.set(token.id, raw ? { ...token, normalized: false } : token);
  for (const token of tokens.values()) {
    setToken(list, token.id, token.text, token.text === config.unk && token.control ? UNKNOWN : token.control ? CONTROL : USER_DEFINED);
  }
  return [...tokens.values()];
}

/** Tokens that no merge may form. */
export const isControl = (list: TokenList, id: number): boolean => list.kinds[id] === CONTROL || list.kinds[id] === UNKNOWN;

const idIn = (added: readonly AddedToken[], text: string | undefined, fallback: number | undefined): number | null =>
  added.find((token) => token.text === text)?.id ?? fallback ?? null;

/** `tokenizer.model` with the rules of the slow LlamaTokenizer. */
export function fromSentencepiece(bytes: Uint8Array, config: HubConfig, where: string, legacy: boolean | undefined): Tokenizer {
  const model = readSentencepieceModel(bytes, where);
  const list: TokenList = { texts: [...model.pieces.texts], kinds: [...model.pieces.kinds] };
  const added = addTokens(list, config, (text) => list.texts.indexOf(text), true);
  const inModel = (id: number): number | undefined => (id >= 0 && id < list.texts.length ? id : undefined);
  const known = new Set(added.map((token) => token.id));
  for (const id of [model.unkId, model.bosId, model.eosId]) {
    const found = inModel(id);
    if (found !== undefined && !known.has(found)) added.push(plainAdded(found, list.texts[found]!, true));
  }
  const common: Common = {
    added,
    bosId: idIn(added, config.bos, inModel(model.bosId)),
    eosId: idIn(added, config.eos, inModel(model.eosId)),
    addBos: config.addBos ?? true,
  };
  const prefix =
    !model.addDummyPrefix || config.addPrefixSpace === false ? 'never' : (legacy ?? config.legacy ?? true) ? 'segment' : 'start';
  return sentencepieceTokenizer(model, list, common, prefix, true);
}

/** Classes of slow byte-level tokenizers and the pre-tokenizer that stands in their code. */
const BYTE_LEVEL: ReadonlyMap<string, string> = new Map([
  ['GPT2Tokenizer', 'gpt-2'],
  ['CodeGenTokenizer', 'phi-2'],
  ['Qwen2Tokenizer', 'qwen2'],
  ['gpt2', 'gpt-2'],
  ['phi', 'phi-2'],
  ['phi-msft', 'phi-2'],
  ['qwen2', 'qwen2'],
]);

/** Which pre-tokenizer a repository's class (else its model type) stands for. */
export function preOf(config: HubConfig, asked: string | undefined, where: string): string {
  if (asked !== undefined) return asked;
  const name = config.tokenizerClass?.replace(/Fast$/, '') ?? config.modelType;
  const pre = name === undefined ? undefined : BYTE_LEVEL.get(name);
  if (pre !== undefined) return pre;
  if (name === undefined)
    throw new InputError(
      `${where}: nothing says which pre-tokenizer splits the text: set the option pre to "gpt-2", "qwen2" or "llama-bpe"`,
    );
  throw new UnsupportedError(
    `${where}: unknown tokenizer class: got ${JSON.stringify(name)}, known are ${[...BYTE_LEVEL.keys()].join(', ')}`,
  );
}

/** `vocab.json` and `merges.txt`. */
export function fromVocabMerges(vocab: string, merges: string, config: HubConfig, where: string, asked: string | undefined): Tokenizer {
  const pre = preOf(config, asked, where);
  const list: TokenList = { texts: [], kinds: [] };
  readVocabulary(vocab, 0, list, `${where}/vocab.json`);
  // A vocabulary without configuration: GPT-2's own control token is known.
  const bare = config.specialTexts.size === 0 && config.added.size === 0;
  const known = bare ? { ...config, specialTexts: new Set(['<|endoftext|>']) } : config;
  const added = addTokens(list, known, (text) => list.texts.indexOf(text), false);
  const lines = merges.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines[0]?.startsWith('#version')) lines.shift();
  const model: BpeModel = {
    ids: stringTable(list.texts, 'last', (id) => !isControl(list, id)),
    merges: stringTable(
      lines.filter((line) => line !== ''),
      'first',
    ),
    ignoreMerges: false,
    byteFallback: false,
    unkId: null,
    fuseUnk: false,
  };
  const common: Common = {
    added,
    bosId: idIn(added, config.bos, undefined),
    eosId: idIn(added, config.eos ?? '<|endoftext|>', undefined),
    addBos: config.addBos ?? false,
  };
  return byteLevelTokenizer(model, list, common, namedExpression(pre, where), pre === 'qwen2');
}

const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `<|${name}${i}|>`);

/** Control tokens that stand in the code of a vocabulary, not in its files: they follow the last rank, after `gap` unused ids. */
const TIKTOKEN: ReadonlyMap<string, { readonly gap: number; readonly nfc: boolean; readonly specials: readonly string[] }> = new Map([
  ['qwen.tiktoken', { gap: 0, nfc: true, specials: ['<|endoftext|>', '<|im_start|>', '<|im_end|>', ...numbered('extra_', 205)] }],
  [
    'arcade100k.tiktoken',
    {
      gap: 1,
      nfc: true,
      specials: [
        ...[
          '<|endoftext|>',
          '<|fim_prefix|>',
          '<|fim_middle|>',
          '<|fim_suffix|>',
          '<|fim_pad|>',
          '<gh_stars>',
          '<filename>',
          '<issue_start>',
        ],
        ...[
          '<issue_comment>',
          '<issue_closed>',
          '<jupyter_start>',
          '<jupyter_text>',
          '<jupyter_code>',
          '<jupyter_output>',
          '<empty_output>',
        ],
        ...[
          '<commit_before>',
          '<commit_msg>',
          '<commit_after>',
          '<reponame>',
          '<|endofprompt|>',
          '<|im_start|>',
          '<|im_end|>',
          '<|pause|>',
        ],
        ...numbered('reg', 8),
        '<|extra0|>',
      ],
    },
  ],
]);

/** The tokens of a `*.tiktoken`: lines `base64(token bytes) SP rank`, then the control tokens that stand in code. */
export function readTiktoken(
  content: string,
  config: HubConfig,
  where: string,
  file: string,
): { list: TokenList; added: AddedToken[]; nfc: boolean } {
  const rules = TIKTOKEN.get(file);
  if (rules === undefined) {
    throw new UnsupportedError(`${where}: unknown vocabulary: got ${file}, known are ${[...TIKTOKEN.keys()].join(', ')}`);
  }
  const list: TokenList = { texts: [], kinds: [] };
  for (const line of content.split('\n')) {
    if (line.trim() === '') continue;
    const space = line.indexOf(' ');
    const id = checkId(space < 0 ? Number.NaN : Number(line.slice(space + 1)), where, line.slice(0, 40));
    let text: string;
    try {
      text = bytesToAlphabet(Uint8Array.from(atob(line.slice(0, space)), (char) => char.charCodeAt(0)));
    } catch (error) {
      throw new FormatError('structure', `${where}: not base64: got ${JSON.stringify(line.slice(0, 40))}`, { cause: error });
    }
    setToken(list, id, text, NORMAL);
  }
  const base = list.texts.length + rules.gap;
  const own = rules.specials.map((text, i) => plainAdded(base + i, text, true));
  for (const token of own) setToken(list, token.id, token.text, CONTROL);
  const known = new Set(rules.specials);
  const added = [...own, ...addTokens(list, config, () => -1, true).filter((token) => !known.has(token.text))];
  return { list, added, nfc: rules.nfc };
}

/** `*.tiktoken`. */
export function fromTiktoken(content: string, config: HubConfig, where: string, file: string): Tokenizer {
  const { list, added, nfc } = readTiktoken(content, config, where, file);
  const common: Common = {
    added,
    bosId: idIn(added, config.bos, undefined),
    eosId: idIn(added, config.eos ?? '<|endoftext|>', undefined),
    addBos: false,
  };
  const ids = stringTable(list.texts, 'last', (id) => !isControl(list, id));
  const model: BpeModel = { ids, merges: null, ignoreMerges: false, byteFallback: false, unkId: null, fuseUnk: false };
  return byteLevelTokenizer(model, list, common, namedExpression('qwen2', where), nfc);
}
