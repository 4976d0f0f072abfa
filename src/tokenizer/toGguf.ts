// A hub repository's tokenizer as the keys `tokenizer.ggml.*` of a GGUF file.

import { UnsupportedError } from '../errors.ts';
import type { WriteValue } from '../formats/ggufWriter.ts';
import { isObject, parseJson } from '../formats/json.ts';
import type { Folder } from '../formats/source.ts';
import { type HubConfig, hubToken, readHubConfig, readWhole } from './hubConfig.ts';
import { addTokens, preOf, readTiktoken } from './hubVocabularies.ts';
import { chooseVocabulary, loadTokenizer } from './load.ts';
import { codePointBounds, mergeSymbols } from './mergeSymbols.ts';
import { readSentencepieceModel } from './sentencepieceModel.ts';
import { stringTable } from './stringTable.ts';
import { BYTE, byteOf, CONTROL, NORMAL, setToken, type TokenList, UNKNOWN, UNUSED, USER_DEFINED } from './tokenTable.ts';
import { readVocabulary, takeOut } from './vocabularyJson.ts';

const MAX_BYTES = 256 << 20;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

type Keys = [string, WriteValue][];

/** A vocabulary in the terms of GGUF. */
interface Vocabulary {
  readonly list: TokenList;
  /** Of sentencepiece vocabularies. */
  readonly scores?: number[];
  /** `left right`, of byte-level ones. */
  readonly merges?: readonly string[];
  readonly pre?: string;
  readonly addSpacePrefix?: boolean;
}

/**
 * The keys, or none where the folder has no vocabulary. `rows`: rows of the embedding table; ids beyond the vocabulary get unused tokens.
 * @throws UnsupportedError for vocabularies that GGUF cannot hold; what loadTokenizer throws
 */
export async function ggufTokenizer(folder: Folder, rows: number): Promise<Keys> {
  const files = await folder.list();
  const config = await readHubConfig(folder, files);
  const file = chooseVocabulary(files, config);
  if (file === undefined) return [];
  const tokenizer = await loadTokenizer(folder, { file });
  const { list, scores, merges, pre, addSpacePrefix } = await readVocabularyOf(folder, file, config);
  for (let id = 0; id < Math.max(rows, list.texts.length); id++) if ((list.kinds[id] ?? 0) === 0) setToken(list, id, `[PAD${id}]`, UNUSED);
  const id = (name: string, value: number | null): Keys =>
    value === null ? [] : [[`tokenizer.ggml.${name}_token_id`, { type: 'u32', value }]];
  const unknown = list.kinds.indexOf(UNKNOWN);
  return [
    ['tokenizer.ggml.model', { type: 'string', value: scores ? 'llama' : 'gpt2' }],
    ...((pre === undefined ? [] : [['tokenizer.ggml.pre', { type: 'string', value: pre }]]) as Keys),
    ['tokenizer.ggml.tokens', { type: 'strings', value: list.texts }],
    ...((scores ? [['tokenizer.ggml.scores', { type: 'f32s', value: list.texts.map((_, i) => scores[i] ?? -1000) }]] : []) as Keys),
    ['tokenizer.ggml.token_type', { type: 'i32s', value: list.kinds }],
    ...((merges ? [['tokenizer.ggml.merges', { type: 'strings', value: merges }]] : []) as Keys),
    ...id('bos', tokenizer.bosId),
    ...id('eos', tokenizer.eosId),
    ...id('unknown', unknown < 0 ? null : unknown),
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: tokenizer.addBos }],
    ...((addSpacePrefix === undefined ? [] : [['tokenizer.ggml.add_space_prefix', { type: 'bool', value: addSpacePrefix }]]) as Keys),
    ...((scores && config.legacy === false ? [['pumice.tokenizer.legacy', { type: 'bool', value: false }]] : []) as Keys),
  ];
}

async function readVocabularyOf(folder: Folder, file: string, config: HubConfig): Promise<Vocabulary> {
  const where = `${folder.name}/${file}`;
  const bytes = await readWhole(folder, file, MAX_BYTES);
  if (file.endsWith('.model')) {
    const model = readSentencepieceModel(bytes, where);
    const list: TokenList = { texts: [...model.pieces.texts], kinds: [...model.pieces.kinds] };
    addTokens(list, config, (text) => list.texts.indexOf(text), true);
    return { list, scores: Array.from(model.scores), addSpacePrefix: model.addDummyPrefix && config.addPrefixSpace !== false };
  }
  if (file.endsWith('.tiktoken')) {
    const { list } = readTiktoken(utf8.decode(bytes), config, where, file);
    return { list, merges: derivedMerges(list), pre: file === 'qwen.tiktoken' ? 'qwen2' : 'stablelm2' };
  }
  if (file === 'vocab.json') {
    const list: TokenList = { texts: [], kinds: [] };
    readVocabulary(utf8.decode(bytes), 0, list, where);
    addTokens(list, config, (text) => list.texts.indexOf(text), false);
    const lines = utf8.decode(await readWhole(folder, 'merges.txt', MAX_BYTES)).split('\n');
    const merges = lines.map((line) => line.replace(/\r$/, '')).filter((line) => line !== '' && !line.startsWith('#version'));
    return { list, merges, pre: preOf(config, undefined, folder.name) };
  }
  return fromJson(utf8.decode(bytes), where);
}

function fromJson(json: string, where: string): Vocabulary {
  const list: TokenList = { texts: [], kinds: [] };
  const merges: string[] = [];
  const rest = parseJson(new TextEncoder().encode(takeOut(json, list, merges, where)), where);
  if (!isObject(rest) || !isObject(rest.model)) throw new UnsupportedError(`${where}: no model: a tokenizer.json with one is expected`);
  const unknown = rest.model.unk_token;
  const added = Array.isArray(rest.added_tokens) ? rest.added_tokens : [];
  const isByteFallback = rest.model.byte_fallback === true;
  const scores = isByteFallback ? scoresOf(list, merges) : undefined;
  if (isByteFallback) for (const [id, text] of list.texts.entries()) if (byteOf(text) >= 0) list.kinds[id] = BYTE;
  for (const entry of added) {
    const token = hubToken(isObject(entry) ? Number(entry.id) : -1, entry, where);
    setToken(list, token.id, token.text, token.text === unknown ? UNKNOWN : token.special ? CONTROL : USER_DEFINED);
  }
  return scores ? { list, scores } : { list, merges, pre: preTokenizerName(rest.pre_tokenizer, where) };
}

/** Merge rules of a sentencepiece vocabulary stand in the order of its scores. */
function scoresOf(list: TokenList, merges: readonly string[]): number[] {
  const ids = stringTable(list.texts, 'last');
  const scores = new Array<number>(list.texts.length).fill(0);
  for (let rank = merges.length - 1; rank >= 0; rank--) {
    const id = ids.find(merges[rank]!.replace(' ', ''));
    if (id >= 0) scores[id] = -rank;
  }
  return scores;
}

/** Which of the known expressions a pre-tokenizer splits by: told by how it takes numbers. */
function preTokenizerName(value: unknown, where: string): string {
  const text = JSON.stringify(value ?? null);
  if (text.includes('\\\\p{N}{1,3}')) return 'llama-bpe';
  if (text.includes('|\\\\p{N}|')) return 'qwen2';
  if (text.includes('"ByteLevel"') && !text.includes('"Split"')) return 'gpt-2';
  throw new UnsupportedError(`${where}: pre_tokenizer: ${text.slice(0, 80)} has no name in GGUF: gpt-2, qwen2 or llama-bpe is expected`);
}

/** The merge rules that a vocabulary of ranks stands for: the two parts of each token that are left when only earlier tokens are merged. */
function derivedMerges(list: TokenList): string[] {
  const ids = stringTable(list.texts, 'last', (id) => list.kinds[id] === NORMAL);
  const merges: string[] = [];
  for (const [id, text] of list.texts.entries()) {
    if (list.kinds[id] !== NORMAL || text.length < 2) continue;
    const bounds = mergeSymbols(codePointBounds(text), (start, _, end) => {
      const found = ids.find(text, start, end);
      return found < id ? found : -1;
    });
    if (bounds.length === 3) merges.push(`${text.slice(0, bounds[1])} ${text.slice(bounds[1])}`);
  }
  return merges;
}
