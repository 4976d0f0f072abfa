// `pumice score`: what a model thinks of given answers. JSON lines in, JSON lines out.
//
//   { "image"?, "question", "answer" }                -> { "tokens": [{ "id", "text", "logp" }], "sum", "mean", "perplexity", ... }
//   { "image"?, "question", "chosen", "rejected" }    -> { "logprob", "margin", "loss", ... }: DPO, against --reference where given

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { dpo, type Preference } from '../generate/score.ts';
import { Llava, type Message } from '../index.ts';

export interface ScoreOptions {
  readonly mmproj?: string;
  readonly reference?: string;
  readonly beta: number;
  readonly threads: number | 'auto';
}

interface Line {
  readonly image?: string;
  readonly question: string;
  readonly answer?: string;
  readonly chosen?: string;
  readonly rejected?: string;
}

/** Scores every line of `file`; pictures are paths beside it or URLs. */
export async function score(model: string, file: string, o: ScoreOptions): Promise<void> {
  const lines = parse(await readFile(file, 'utf8'), file);
  const load = { threads: o.threads, ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }) };
  await using policy = await Llava.load(model, load);
  await using reference = o.reference === undefined ? undefined : await Llava.load(o.reference, { threads: o.threads });
  for (const line of lines)
    process.stdout.write(`${JSON.stringify({ ...line, ...(await scored(policy, reference, line, dirname(file), o.beta)) })}\n`);
}

async function scored(policy: Llava, reference: Llava | undefined, line: Line, folder: string, beta: number): Promise<object> {
  const of = (m: Llava, answer: string) => m.score(messages(line, answer, folder));
  if (line.answer !== undefined) return of(policy, line.answer);
  const pair = async (m: Llava): Promise<Preference> => ({
    chosen: (await of(m, line.chosen!)).sum,
    rejected: (await of(m, line.rejected!)).sum,
  });
  const own = await pair(policy);
  const other = reference && (await pair(reference));
  return { logprob: own, ...(other && { reference: other }), ...dpo(own, other, beta) };
}

function messages({ image, question }: Line, answer: string, folder: string): Message[] {
  const picture =
    image === undefined ? [] : [{ type: 'image' as const, image: /^(https?|data):/.test(image) ? image : join(folder, image) }];
  return [
    { role: 'user', content: [...picture, { type: 'text', text: question }] },
    { role: 'assistant', content: answer },
  ];
}

function parse(text: string, file: string): Line[] {
  return text.split('\n').flatMap((row, i) => {
    if (row.trim() === '') return [];
    const bad = (what: string, cause?: unknown) => new InputError(`${file}: line ${i + 1}: ${what}`, { cause });
    let line: Partial<Record<keyof Line, unknown>>;
    try {
      line = JSON.parse(row) as typeof line;
    } catch (e) {
      throw bad('is not JSON', e);
    }
    const text = (key: keyof Line) => typeof line[key] === 'string';
    if (!text('question') || !(text('answer') || (text('chosen') && text('rejected'))))
      throw bad('needs question and answer, or question, chosen and rejected');
    return [line as unknown as Line];
  });
}
