// Where a checkpoint keeps its chat template.

import { FormatError } from '../errors.ts';
import { isObject, parseJson } from '../formats/json.ts';
import type { Folder } from '../formats/source.ts';

/** The chat template of a repository: `chat_template.jinja`, `chat_template.json`, or the one in `tokenizer_config.json`; null where there is none. */
export async function loadChatTemplate(folder: Folder): Promise<string | null> {
  const files = await folder.list();
  const read = async (file: string): Promise<Uint8Array> => {
    const source = await folder.open(file);
    try {
      if (source.size > 16 << 20) throw new FormatError('limit', `${source.name}: too large: got ${source.size} bytes for a chat template`);
      const bytes = new Uint8Array(source.size);
      await source.readInto(bytes, 0);
      return bytes;
    } finally {
      await source.close();
    }
  };
  if (files.includes('chat_template.jinja')) return new TextDecoder().decode(await read('chat_template.jinja'));
  for (const file of ['chat_template.json', 'tokenizer_config.json']) {
    if (!files.includes(file)) continue;
    const config = parseJson(await read(file), `${folder.name}/${file}`);
    const found = isObject(config) ? chosen(config.chat_template) : null;
    if (found !== null) return found;
  }
  return null;
}

/** A template, or the one named `default` (else the first) of several. */
function chosen(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const named = value.filter((item): item is { name: unknown; template: string } => isObject(item) && typeof item.template === 'string');
  return (named.find((item) => item.name === 'default') ?? named[0])?.template ?? null;
}

/** The chat template of a GGUF file, null where there is none. */
export function chatTemplateFromGguf(meta: { has(key: string): boolean; string(key: string): string }): string | null {
  return meta.has('tokenizer.chat_template') ? meta.string('tokenizer.chat_template') : null;
}
