// What a model thinks of an answer: a log-probability for each of its tokens.

import { IMAGE_TOKEN_INDEX } from './chat/imagePrompt.ts';
import { InputError } from './errors.ts';
import { type Distance, IGNORED, type ScoredSequence, tokenLogProbs } from './generate/score.ts';
import type { ImageRows, Piece, Session } from './generate/session.ts';
import { concat } from './models/concat.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Natural logarithms. */
export interface AnswerScore {
  /** Of the teacher, where one was given, and the distance from it. */
  readonly teacher?: AnswerScore;
  readonly distance?: Distance;
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly logp: number }[];
  readonly sum: number;
  readonly count: number;
  readonly mean: number;
  readonly perplexity: number;
}

/** A conversation that ends with an answer, as ids; -200 where a picture stands. */
export interface AnsweredPrompt {
  readonly ids: readonly number[];
  /** The same without its answer, open for one. */
  readonly open: readonly number[];
  readonly images: readonly ImageRows[];
}

export interface ScoreRun {
  /** The model's name, for messages. */
  readonly name: string;
  /** Hold the logits of all rows: rows x vocabulary x 4 bytes. */
  readonly keep: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface ScoredAnswer {
  readonly score: AnswerScore;
  readonly sequence: ScoredSequence;
}

/** @throws InputError when all logits are wanted of a model that drops rows */
export async function scoreAnswer(
  session: Session,
  tokenizer: Tokenizer,
  { ids, open, images }: AnsweredPrompt,
  { name, keep, signal }: ScoreRun,
): Promise<ScoredAnswer> {
  const { decoder, programs } = session;
  if (keep && decoder.dropsRows)
    throw new InputError(`score: ${name} drops rows: there are no logits of all rows to compare with a teacher's`);
  // The answer begins where the open prompt ends; its first space may belong to its first word.
  let from = 0;
  while (from < open.length && ids[from] === open[from]) from++;
  let next = 0;
  const pieces: Piece[] = ids.map((id) => (id === IMAGE_TOKEN_INDEX ? images[next++]! : id));
  const labels = ids.flatMap((id, i) =>
    id === IMAGE_TOKEN_INDEX ? new Array<number>((pieces[i] as ImageRows).rows).fill(IGNORED) : [i < from ? IGNORED : id],
  );
  const { vocabulary } = decoder.backbone;
  const options = signal ? { signal } : {};
  const logps: number[] = [];
  const kept: Float32Array[] = [];
  // Where rows are dropped, what stays of the picture and of the answer is decided as it would be while answering.
  if (decoder.dropsRows) {
    let { logits } = await session.prefill(pieces.slice(0, from), options);
    for (const [i, id] of ids.slice(from).entries()) {
      logps.push(...tokenLogProbs({ data: logits, vocabulary }, [IGNORED, id]));
      if (from + i + 1 < ids.length) logits = await session.step(id, undefined, signal);
    }
  } else
    await session.score(
      pieces,
      (program, at, rows) => {
        // Row i predicts row i + 1: the first label of a slice is not looked at.
        const own = labels.slice(at, at + rows + 1);
        const data = programs.engine.read(program, 'logits');
        if (keep) kept.push(data);
        logps.push(...tokenLogProbs({ data, vocabulary }, own.length > rows ? own : [...own, IGNORED]));
      },
      options,
    );
  const tokens = ids.slice(from).map((id, i) => ({ id, text: tokenizer.decode([id], { special: true }), logp: logps[i]! }));
  const sum = logps.reduce((a, b) => a + b, 0);
  const score = { tokens, sum, count: tokens.length, mean: sum / tokens.length, perplexity: Math.exp(-sum / tokens.length) };
  return { score, sequence: { ids: [...ids], labels, data: concat(kept), vocabulary } };
}
