// Asks a model every question of an evaluation set and counts exact answers, per group of pictures and type of question.

import { InputError } from './errors.ts';
import type { ChatOptions, Llava } from './llava.ts';

/** One question with its answer; `picture` is a path below the set's folder. */
export interface Item {
  readonly picture: string;
  readonly group: string;
  readonly type: string;
  readonly question: string;
  readonly answer: string;
}

export interface Outcome extends Item {
  readonly got: string;
}

/** Exact answers of one group and type. */
export interface Score {
  readonly group: string;
  readonly type: string;
  readonly items: number;
  readonly right: number;
  /** Items that the most frequent answer of the type would get right: what a blind model reaches. */
  readonly majority: number;
}

/** Parses a set in JSON lines. Throws InputError that names the line. */
export function parseItems(text: string, name: string): Item[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let item: Partial<Item>;
    try {
      item = JSON.parse(line) as Partial<Item>;
    } catch (e) {
      throw new InputError(`${name}: line ${i + 1} is not JSON`, { cause: e });
    }
    for (const key of ['picture', 'group', 'type', 'question', 'answer'] as const) {
      if (typeof item[key] !== 'string')
        throw new InputError(`${name}: line ${i + 1}: ${key}: got ${JSON.stringify(item[key])}, a text is expected`);
    }
    return [item as Item];
  });
}

/** Greedy answers to all items, in their order. A picture that several items share in a row is encoded once. */
export async function* answerItems(
  model: Llava,
  items: readonly Item[],
  picture: (path: string) => Promise<Uint8Array>,
  options: Pick<ChatOptions, 'signal' | 'visualTokens'> = {},
): AsyncGenerator<Outcome> {
  let last: { path: string; bytes: Uint8Array } | undefined;
  for (const item of items) {
    if (last?.path !== item.picture) last = { path: item.picture, bytes: await picture(item.picture) };
    const reply = model.chat(
      [
        {
          role: 'user',
          content: [
            { type: 'image', image: last.bytes },
            { type: 'text', text: item.question },
          ],
        },
      ],
      { maxTokens: 96, ...options },
    );
    yield { ...item, got: await reply.text() };
  }
}

/** Scores per group and type, in the order of their first items. */
export function scores(outcomes: readonly Outcome[]): Score[] {
  const cells = new Map<string, Outcome[]>();
  for (const o of outcomes) {
    const key = JSON.stringify([o.group, o.type]);
    cells.set(key, [...(cells.get(key) ?? []), o]);
  }
  return [...cells.values()].map((all) => ({
    group: all[0]!.group,
    type: all[0]!.type,
    items: all.length,
    right: all.filter((o) => o.got === o.answer).length,
    majority: majority(all),
  }));
}

/** How many answers the most frequent answer of each type gets right. */
function majority(all: readonly Outcome[]): number {
  const counts = new Map<string, number>();
  for (const o of all) counts.set(o.answer, (counts.get(o.answer) ?? 0) + 1);
  return Math.max(...counts.values());
}
