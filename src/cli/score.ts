// `pumice score`: what a model thinks of given answers. JSON lines in, JSON lines out.
//
//   { "image"?, "question", "answer" }                -> { "tokens": [{ "id", "text", "logp" }], "sum", "mean", "perplexity", ... }
//   { "image"?, "question", "chosen", "rejected" }    -> { "logprob", "margin", "loss", ... }: DPO, against --reference where given
//
// With --reference also its own score and the distance from it (LLaVA-MoD's mimic distillation), of pairs by answer.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { dpo, type Preference } from '../generate/score.ts';
import { Llava, type Message } from '../index.ts';
import { embedded } from './embedded.ts';

export interface ScoreOptions {
  readonly mmproj?: string;
  readonly reference?: string;
  readonly referenceMmproj?: string;
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
  const load = (path: string, mmproj?: string) =>
    Llava.load(embedded(path), { threads: o.threads, ...(mmproj === undefined ? {} : { mmproj }) });
  await using policy = await load(model, o.mmproj);
  await using reference = o.reference === undefined ? undefined : await load(o.reference, o.referenceMmproj);
  for (const line of lines)
    process.stdout.write(`${JSON.stringify({ ...line, ...(await scored(policy, reference, line, dirname(file), o.beta)) })}\n`);
}

async function scored(policy: Llava, reference: Llava | undefined, line: Line, folder: string, beta: number): Promise<object> {
  const of = (answer: string) => policy.score(messages(line, answer, folder), reference && { teacher: reference });
  if (line.answer !== undefined) {
    const { teacher, ...own } = await of(line.answer);
    return { ...own, ...(teacher && { reference: teacher }) };
  }
  const [chosen, rejected] = [await of(line.chosen!), await of(line.rejected!)];
  const own: Preference = { chosen: chosen.sum, rejected: rejected.sum };
  const other = chosen.teacher && rejected.teacher && { chosen: chosen.teacher.sum, rejected: rejected.teacher.sum };
  const apart = reference && { distance: { chosen: chosen.distance, rejected: rejected.distance } };
  return { logprob: own, ...(other && { reference: other }), ...apart, ...dpo(own, other, beta) };
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
