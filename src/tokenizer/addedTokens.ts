// Added tokens: texts that become a token before anything else looks at them. Leftmost match, the longest one on ties.

import { WHITE_SPACE, WORD } from './expressions.ts';

/** A token that is found in the text itself, with the hub's flags. */
export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Control token: only found where control tokens are allowed. */
  readonly control: boolean;
  /** Swallow white space on the left / right of the match. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** No letter, digit or underscore may touch the match. */
  readonly singleWord: boolean;
  /** Searched in the normalized text instead of the raw one. */
  readonly normalized: boolean;
}

/** An added token without flags. */
export function plainAdded(id: number, text: string, control: boolean): AddedToken {
  return { id, text, control, lstrip: false, rstrip: false, singleWord: false, normalized: false };
}

/** Part of a text: a token, or plain text between tokens (`id` null) with its place in the text. */
export interface Fragment {
  readonly id: number | null;
  readonly start: number;
  readonly end: number;
}

/** Whether a control token may be found at text[start, end). */
export type Allowed = (start: number, end: number) => boolean;

/** Splits texts at added tokens. */
export type Splitter = (text: string, allowed: Allowed) => readonly Fragment[];

const endsWithWord = new RegExp(`${WORD}$`, 'u');
const startsWithWord = new RegExp(`^${WORD}`, 'u');
const spaceCode = new RegExp(`^${WHITE_SPACE}$`, 'u');

/** Makes the splitter of a set of tokens. Later tokens of the same text win. */
export function splitter(tokens: Iterable<AddedToken>): Splitter {
  const byText = new Map<string, AddedToken>();
  for (const token of tokens) if (token.text !== '') byText.set(token.text, token);
  const byFirst = new Map<number, AddedToken[]>();
  for (const token of byText.values()) {
    const first = token.text.charCodeAt(0);
    const list = byFirst.get(first);
    if (list) list.push(token);
    else byFirst.set(first, [token]);
  }
  for (const list of byFirst.values()) list.sort((a, b) => b.text.length - a.text.length);

  return (text, allowed) => {
    const out: Fragment[] = [];
    let from = 0;
    for (let i = 0; i < text.length && byFirst.size > 0; ) {
      const token = byFirst.get(text.charCodeAt(i))?.find((t) => matches(t, text, i, allowed));
      if (!token) {
        i++;
        continue;
      }
      let start = i;
      let end = i + token.text.length;
      if (token.lstrip) while (start > from && spaceCode.test(text[start - 1]!)) start--;
      if (token.rstrip) while (end < text.length && spaceCode.test(text[end]!)) end++;
      if (start > from) out.push({ id: null, start: from, end: start });
      out.push({ id: token.id, start, end });
      from = end;
      i = end;
    }
    if (from < text.length) out.push({ id: null, start: from, end: text.length });
    return out;
  };
}

function matches(token: AddedToken, text: string, at: number, allowed: Allowed): boolean {
  if (!text.startsWith(token.text, at)) return false;
  const end = at + token.text.length;
  if (token.control && !allowed(at, end)) return false;
  // Two code units are enough to see a neighbour beyond U+FFFF.
  return !token.singleWord || !(endsWithWord.test(text.slice(Math.max(0, at - 2), at)) || startsWithWord.test(text.slice(end, end + 2)));
}
