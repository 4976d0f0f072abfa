// Which ids of a finished conversation an answer is made of: what is scored, and what training predicts.

import { IGNORED } from '../generate/score.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Conversation, renderConversation, type Turn } from './conversation.ts';
import { tokenizeWithImages } from './imagePrompt.ts';

export interface LabelledIds {
  /** -200 where a picture stands. */
  readonly ids: readonly number[];
  /** The ids of answers with their end tokens; IGNORED elsewhere. */
  readonly labels: readonly number[];
}

/**
 * Ids and labels of turns that all have texts. An answer begins one id before the ids of `ASSISTANT: ` end: alone, the last space is an id of
 * its own, in the text it belongs to the answer's first word.
 */
export function labelledIds(tokenizer: Tokenizer, conversation: Conversation, turns: readonly Turn[]): LabelledIds {
  const idsOf = (n: number, open = false): number[] => {
    const segments = renderConversation(conversation, [
      ...turns.slice(0, n),
      ...(open ? [{ role: 'assistant' as const, content: [] }] : []),
    ]);
    const last = segments.at(-1);
    // The end token of an empty answer is not part of the instruction.
    const end = conversation.sep2 ?? '';
    const cut =
      open && last && 'text' in last
        ? [...segments.slice(0, -1), { ...last, text: last.text.slice(0, last.text.length - end.length) }]
        : segments;
    return tokenizeWithImages(tokenizer, cut);
  };
  const ids = idsOf(turns.length);
  const labels = ids.map(() => IGNORED);
  for (const [i, turn] of turns.entries()) {
    if (turn.role !== 'assistant') continue;
    const from = idsOf(i, true).length - 1;
    const to = idsOf(i + 1).length;
    for (let k = from; k < to; k++) labels[k] = ids[k]!;
  }
  return { ids, labels };
}
