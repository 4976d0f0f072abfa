// What the small files beside a hub vocabulary say: tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json.

import { FormatError } from '../errors.ts';
import { isObject, parseJson } from '../formats/json.ts';
import type { Folder } from '../formats/source.ts';
import type { AddedToken } from './addedTokens.ts';
import { checkId } from './tokenTable.ts';

/** An added token, and whether it is a control token. */
export interface HubToken extends AddedToken {
  readonly special: boolean;
}

/** The configuration of a repository's tokenizer. Absent values are `undefined`. */
export interface HubConfig {
  readonly tokenizerClass: string | undefined;
  readonly modelType: string | undefined;
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly unk: string | undefined;
  readonly addBos: boolean | undefined;
  readonly addPrefixSpace: boolean | undefined;
  readonly legacy: boolean | undefined;
  /** By id: `added_tokens_decoder`, else `added_tokens.json`. */
  readonly added: ReadonlyMap<number, HubToken>;
  /** Texts of all special tokens that the files name. */
  readonly specialTexts: ReadonlySet<string>;
}

/** Bytes of a whole file; refuses sizes that no such file has. */
export async function readWhole(folder: Folder, file: string, limit: number): Promise<Uint8Array> {
  const source = await folder.open(file);
  try {
    if (source.size > limit)
      throw new FormatError('limit', `${source.name}: too large: got ${source.size} bytes, at most ${limit} are read`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0);
    return bytes;
  } finally {
    await source.close();
  }
}

/** Parses a JSON object of a folder; an empty object where the file is missing. */
export async function readObject(folder: Folder, files: readonly string[], file: string): Promise<Record<string, unknown>> {
  if (!files.includes(file)) return {};
  const value = parseJson(await readWhole(folder, file, 16 << 20), `${folder.name}/${file}`);
  if (!isObject(value))
    throw new FormatError('structure', `${folder.name}/${file}: got ${JSON.stringify(value).slice(0, 40)}, an object is expected`);
  return value;
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : isObject(value) && typeof value.content === 'string' ? value.content : undefined;
const bool = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

/** Reads an entry of `added_tokens_decoder` or of tokenizer.json's `added_tokens`. */
export function hubToken(id: number, entry: unknown, where: string): HubToken {
  const content = text(entry);
  if (content === undefined || !isObject(entry))
    throw new FormatError('structure', `${where}: added token ${id} has no content: got ${JSON.stringify(entry)?.slice(0, 60)}`);
  const special = entry.special === true;
  return {
    id: checkId(id, where, content),
    text: content,
    special,
    control: special,
    lstrip: entry.lstrip === true,
    rstrip: entry.rstrip === true,
    singleWord: entry.single_word === true,
    normalized: entry.normalized === true,
  };
}

/** Reads the files that are there. */
export async function readHubConfig(folder: Folder, files: readonly string[]): Promise<HubConfig> {
  const config = await readObject(folder, files, 'tokenizer_config.json');
  const map = await readObject(folder, files, 'special_tokens_map.json');
  const model = await readObject(folder, files, 'config.json');
  const addedFile = await readObject(folder, files, 'added_tokens.json');

  const specialTexts = new Set<string>();
  for (const source of [map, config]) {
    for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token']) {
      const found = text(source[name]);
      if (found !== undefined) specialTexts.add(found);
    }
    const more = source.additional_special_tokens;
    if (Array.isArray(more)) for (const item of more) specialTexts.add(text(item) ?? '');
  }
  specialTexts.delete('');

  const added = new Map<number, HubToken>();
  for (const [content, id] of Object.entries(addedFile)) {
    const token = hubToken(
      checkId(id, `${folder.name}/added_tokens.json`, content),
      { content, special: specialTexts.has(content) },
      folder.name,
    );
    added.set(token.id, token);
  }
  if (isObject(config.added_tokens_decoder)) {
    for (const [id, entry] of Object.entries(config.added_tokens_decoder)) {
      const token = hubToken(Number(id), entry, `${folder.name}/tokenizer_config.json`);
      added.set(token.id, token);
      if (token.special) specialTexts.add(token.text);
    }
  }
  return {
    tokenizerClass: text(config.tokenizer_class),
    modelType: text(model.model_type),
    bos: text(config.bos_token) ?? text(map.bos_token),
    eos: text(config.eos_token) ?? text(map.eos_token),
    unk: text(config.unk_token) ?? text(map.unk_token),
    addBos: bool(config.add_bos_token),
    addPrefixSpace: bool(config.add_prefix_space),
    legacy: bool(config.legacy),
    added,
    specialTexts,
  };
}
