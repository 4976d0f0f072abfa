// Pre-tokenizer expressions, and the translation of the hub's regular expressions (Oniguruma) to JavaScript's.

import { UnsupportedError } from '../errors.ts';

// JavaScript's \s has U+FEFF and lacks U+0085; the reference engines use Unicode's White_Space.
const SPACES = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** One white-space character, as a class. */
export const WHITE_SPACE: string = `[${SPACES}]`;
/** One word character in Unicode's sense, as a class. */
export const WORD: string = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]';

const QWEN2 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const EXPRESSIONS: ReadonlyMap<string, string> = new Map([
  ['gpt-2', "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"],
  ['qwen2', QWEN2],
  ['llama-bpe', QWEN2.replace('|\\p{N}|', '|\\p{N}{1,3}|')],
]);

/** Names under which GGUF files know an expression (`tokenizer.ggml.pre`). */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['gpt-2', 'gpt-2'],
  ['phi-2', 'gpt-2'],
  ['qwen2', 'qwen2'],
  ['stablelm2', 'qwen2'],
  ['llama-bpe', 'llama-bpe'],
  ['llama3', 'llama-bpe'],
  ['llama-v3', 'llama-bpe'],
]);

/** The expression of a named pre-tokenizer. */
export function namedExpression(name: string, where: string): RegExp {
  const source = EXPRESSIONS.get(ALIASES.get(name) ?? '');
  if (source === undefined) {
    throw new UnsupportedError(`${where}: unknown pre-tokenizer: got ${JSON.stringify(name)}, known are ${[...ALIASES.keys()].join(', ')}`);
  }
  return translate(source, where);
}

/** Translates an Oniguruma expression; refuses by name what has no exact counterpart. */
export function translate(source: string, where: string): RegExp {
  const refuse = (what: string): never => {
    throw new UnsupportedError(`${where}: regular expression ${JSON.stringify(source)}: ${what} is not supported`);
  };
  let out = '';
  let inClass = false;
  const foldedGroups: number[] = [];
  let depth = 0;
  for (let i = 0; i < source.length; i++) {
    const c = source[i]!;
    if (c === '\\') {
      const rest = source.slice(i + 1);
      const property = /^[pP]\{\^?\w+\}/.exec(rest)?.[0];
      if (property) {
        out += `\\${property}`;
        i += property.length;
      } else {
        out += escapeOf(rest[0] ?? '', inClass) ?? refuse(`\\${rest[0]}`);
        i++;
      }
    } else if (inClass) {
      if (c === '[' || (c === '&' && source[i + 1] === '&')) refuse('a nested class');
      if (c === ']') inClass = false;
      out += c;
    } else if (c === '[') {
      inClass = true;
      out += source[i + 1] === '^' ? '[^' : '[';
      if (source[i + 1] === '^') i++;
    } else if (c === '(') {
      depth++;
      const head = /^\((\?(?:[:=!]|<[=!]|i:))?/.exec(source.slice(i))![0];
      if (head === '(' && source[i + 1] === '?') refuse(source.slice(i, i + 4));
      if (head === '(?i:') foldedGroups.push(depth);
      out += head === '(?i:' ? '(?:' : head;
      i += head.length - 1;
    } else if (c === ')') {
      if (foldedGroups.at(-1) === depth) foldedGroups.pop();
      depth--;
      out += c;
    } else if (c === '^' || c === '$') {
      refuse(c);
    } else if ('?*+}'.includes(c) && source[i + 1] === '+') {
      refuse('a possessive quantifier');
    } else {
      out += foldedGroups.length > 0 ? fold(c) : c;
    }
  }
  try {
    return new RegExp(out, 'gu');
  } catch {
    return refuse('something in it');
  }
}

function escapeOf(c: string, inClass: boolean): string | null {
  if (c === 's') return inClass ? SPACES : WHITE_SPACE;
  if (c === 'S') return inClass ? null : `[^${SPACES}]`;
  if (c === 'd') return '\\p{Nd}';
  if ('rntfv'.includes(c)) return `\\${c}`;
  if ('\\^$.*+?()[]{}|/-'.includes(c)) return c === '-' && !inClass ? '-' : `\\${c}`;
  return /^[\p{L}\p{N}]?$/u.test(c) ? null : c;
}

/** Case-insensitive letters; exact matching also folds the long s with s and the Kelvin sign with k. */
function fold(c: string): string {
  if (!/[a-z]/i.test(c)) return c;
  const lower = c.toLowerCase();
  return `[${lower}${lower.toUpperCase()}${lower === 's' ? '\\u017f' : lower === 'k' ? '\\u212a' : ''}]`;
}
