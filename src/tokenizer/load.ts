// Chooses among the vocabulary files of a repository.

import { InputError } from '../errors.ts';
import type { Folder } from '../formats/source.ts';
import { type HubConfig, readHubConfig, readWhole } from './hubConfig.ts';
import { fromSentencepiece, fromTiktoken, fromVocabMerges } from './hubVocabularies.ts';
import type { Tokenizer } from './tokenizer.ts';
import { fromTokenizerJson } from './tokenizerJson.ts';

/** Options of {@link loadTokenizer}. */
export interface TokenizerOptions {
  /** Sentencepiece: whether text after an added token gets a dummy prefix. Default: what tokenizer_config.json says, else true. */
  readonly legacy?: boolean;
  /** Pre-tokenizer of a vocab.json whose repository does not name its class: `gpt-2`, `qwen2`, `llama-bpe`. */
  readonly pre?: string;
  /** Reads this file and no other. Default: tokenizer.model for Llama-type repositories, tokenizer.json, vocab.json, *.tiktoken. */
  readonly file?: string;
}

/** No vocabulary comes near; a hostile file ends here. */
const MAX_BYTES = 256 << 20;

/** Loads the tokenizer of a hub repository. */
export async function loadTokenizer(folder: Folder, options: TokenizerOptions = {}): Promise<Tokenizer> {
  const files = await folder.list();
  const config = await readHubConfig(folder, files);
  const file = options.file ?? chooseVocabulary(files, config);
  if (file === undefined) {
    throw new InputError(
      `${folder.name}: no tokenizer: got ${files.length} files, one of tokenizer.model, tokenizer.json, vocab.json, *.tiktoken is needed`,
    );
  }
  const where = `${folder.name}/${file}`;
  const bytes = await readWhole(folder, file, MAX_BYTES);
  if (file.endsWith('.model')) return fromSentencepiece(bytes, config, where, options.legacy);
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const text = utf8.decode(bytes);
  if (file.endsWith('.tiktoken')) return fromTiktoken(text, config, where, file);
  if (file !== 'vocab.json') return fromTokenizerJson(text, config, where);
  return fromVocabMerges(text, utf8.decode(await readWhole(folder, 'merges.txt', MAX_BYTES)), config, folder.name, options.pre);
}

/** The vocabulary file that counts where there are several; undefined where there is none. */
export function chooseVocabulary(files: readonly string[], config: HubConfig): string | undefined {
  // LLaVA's Llama-type checkpoints were trained and run with the slow tokenizer.
  const llama = /^(Code)?Llama/.test(config.tokenizerClass ?? 'Llama');
  if (llama && files.includes('tokenizer.model')) return 'tokenizer.model';
  if (files.includes('tokenizer.json')) return 'tokenizer.json';
  if (files.includes('vocab.json') && files.includes('merges.txt')) return 'vocab.json';
  return files.find((file) => file.endsWith('.tiktoken')) ?? files.find((file) => file === 'tokenizer.model');
}
