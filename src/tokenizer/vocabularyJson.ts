// The two large parts of vocabulary files in JSON, read without making an object of a hundred thousand keys: {"token": id, ...} and merges.

import { FormatError } from '../errors.ts';
import { checkId, NORMAL, setToken, type TokenList } from './tokenTable.ts';

/** Walks over JSON text. */
class Scanner {
  readonly text: string;
  readonly #where: string;
  at: number;

  constructor(text: string, at: number, where: string) {
    this.text = text;
    this.at = at;
    this.#where = where;
  }

  fail(expected: string): never {
    throw new FormatError(
      'format',
      `${this.#where}: broken JSON at character ${this.at}: got ${JSON.stringify(this.text.slice(this.at, this.at + 12))}, ${expected} is expected`,
    );
  }

  /** The next character that is not white space. */
  peek(): string {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return this.text[this.at] ?? '';
      this.at++;
    }
  }

  take(char: string): void {
    if (this.peek() !== char) this.fail(char);
    this.at++;
  }

  /** True when another item follows, false at the end of the list. */
  more(first: boolean, close: string): boolean {
    if (this.peek() === close) {
      this.at++;
      return false;
    }
    if (!first) this.take(',');
    return true;
  }

  string(): string {
    if (this.peek() !== '"') this.fail('a string');
    const start = this.at + 1;
    let end = start;
    let escaped = false;
    for (let code = this.text.charCodeAt(end); code !== 34; code = this.text.charCodeAt(end)) {
      if (!(code >= 32)) this.fail('the end of a string');
      escaped ||= code === 92;
      end += code === 92 ? 2 : 1;
    }
    this.at = end + 1;
    if (!escaped) return this.text.slice(start, end);
    try {
      return JSON.parse(this.text.slice(start - 1, end + 1)) as string;
    } catch {
      return this.fail('a string');
    }
  }

  number(): number {
    this.peek();
    const start = this.at;
    let value = 0;
    for (let code = this.text.charCodeAt(start); code >= 48 && code <= 57; code = this.text.charCodeAt(this.at)) {
      value = 10 * value + code - 48;
      this.at++;
    }
    if (this.at === start) this.fail('a whole number');
    return value;
  }
}

/** Reads `{"token": id, ...}` at a place into a list; the result is where it ends. A token twice keeps both ids, the larger one counts in lookups. */
export function readVocabulary(text: string, at: number, list: TokenList, where: string): number {
  const scanner = new Scanner(text, at, where);
  scanner.take('{');
  for (let first = true; scanner.more(first, '}'); first = false) {
    const token = scanner.string();
    scanner.take(':');
    setToken(list, checkId(scanner.number(), where, token), token, NORMAL);
  }
  return scanner.at;
}

/** Reads `["left right", ...]` or `[["left", "right"], ...]` at a place as lines; the result is where it ends. */
export function readMerges(text: string, at: number, lines: string[], where: string): number {
  const scanner = new Scanner(text, at, where);
  scanner.take('[');
  for (let first = true; scanner.more(first, ']'); first = false) {
    if (scanner.peek() !== '[') {
      lines.push(scanner.string());
      continue;
    }
    scanner.take('[');
    const left = scanner.string();
    scanner.take(',');
    lines.push(`${left} ${scanner.string()}`);
    scanner.take(']');
  }
  return scanner.at;
}

/** A tokenizer.json with its large parts taken out: the rest, as text for JSON.parse. A quote inside a string is escaped, so the keys cannot be mistaken. */
export function takeOut(text: string, list: TokenList, merges: string[], where: string): string {
  let rest = text;
  for (const [key, empty, read] of [
    [/(?<!\\)"merges"\s*:\s*(?=\[)/, '[]', (at: number) => readMerges(rest, at, merges, where)],
    [/(?<!\\)"vocab"\s*:\s*(?=\{)/, '{}', (at: number) => readVocabulary(rest, at, list, where)],
  ] as const) {
    const match = key.exec(rest);
    if (match === null) continue;
    const start = match.index + match[0].length;
    const end = read(start);
    rest = rest.slice(0, start) + empty + rest.slice(end);
  }
  return rest;
}
