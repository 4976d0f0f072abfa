// JSON from downloaded files: strict UTF-8, no duplicate keys, bounded nesting. JSON.parse alone keeps the last of two equal keys silently.

import { FormatError } from '../errors.ts';

/** No file that we read nests deeper than a handful of levels; some engines parse recursively. */
const MAX_DEPTH = 100;

/**
 * Parses UTF-8 JSON text.
 * @param where the file's name, for messages
 * @throws FormatError `format` (not UTF-8, not JSON), `duplicate` (a key twice in one object), `limit` (nesting)
 */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new FormatError('format', `${where}: the JSON text is not valid UTF-8`, { cause: error });
  }
  checkKeys(text, where);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError('format', `${where}: broken JSON: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/**
 * Walks the tokens with one set of keys per open object. Text that is not JSON passes here and fails in JSON.parse.
 * A loop over characters, since a regular expression can be made quadratic by hostile text.
 */
function checkKeys(text: string, where: string): void {
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') {
      if (open.length >= MAX_DEPTH) throw new FormatError('limit', `${where}: JSON nested deeper than ${MAX_DEPTH} levels`);
      open.push(char === '{' ? new Set() : null);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const start = i;
      i = stringEnd(text, start);
      const keys = open.at(-1);
      if (keys === undefined || keys === null || !isColonNext(text, i + 1)) continue;
      const key = unquoted(text.slice(start, i + 1));
      if (keys.has(key)) throw new FormatError('duplicate', `${where}: the key ${JSON.stringify(key)} occurs twice`);
      keys.add(key);
    }
  }
}

/** The index of the quote that closes the string opened at `start`, or the length of the text. */
function stringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '"') return i;
    if (char === '\\') i++;
  }
  return text.length;
}

function isColonNext(text: string, from: number): boolean {
  let i = from;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return text[i] === ':';
}

function unquoted(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted; // JSON.parse of the whole text will say what is wrong
  }
}

/** Whether a parsed value is a JSON object (not an array, not null). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
