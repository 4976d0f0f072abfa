// The prefill/decode loop: pieces in, chunks of text out.

import { InputError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Account } from './account.ts';
import type { BeamOptions } from './beam.ts';
import { type TokenLogprobs, tokenLogprobs } from './logprobs.ts';
import { createSampler, type SamplerOptions } from './sampler.ts';
import type { Piece, Session } from './session.ts';
import { createStopMatcher } from './stop.ts';

export interface GenerateOptions extends SamplerOptions, BeamOptions {
  /** Tokens of the answer at most. Default 512. */
  readonly maxTokens?: number;
  /** The answer ends before any of these texts. */
  readonly stop?: readonly string[];
  /** FastV and Dynamic-LLaVA: share of a picture's rows that goes on after the layer where they drop some; default: as loaded. */
  readonly keepRate?: number;
  /** Stops between two tokens, and within a prefill between two operations. */
  readonly signal?: AbortSignal;
  /** With each token its log-probability, and those of so many likeliest ones (0: only its own). Of the model's own logits, before any sampling option. */
  readonly logprobs?: number;
  /** Rows of the prompt computed so far and in all. */
  readonly onPrefill?: (done: number, total: number) => void;
}

export interface Chunk {
  readonly text: string;
  /** Ids that this chunk completes. */
  readonly ids: readonly number[];
  /** One per id, where asked for. */
  readonly logprobs?: readonly TokenLogprobs[];
}

/** Generates an answer to `prompt`. `account` is filled while chunks come. */
export async function* generate(
  session: Session,
  tokenizer: Tokenizer,
  prompt: readonly Piece[],
  options: GenerateOptions,
  account: Account,
): AsyncGenerator<Chunk, void, undefined> {
  const { signal, maxTokens = 512, numBeams = 1 } = options;
  if (numBeams > 1) {
    yield* searched(session, tokenizer, prompt, { ...options, maxTokens, numBeams }, account);
    return;
  }
  const sampler = createSampler({ ...options, vocabulary: tokenizer.size });
  const matcher = createStopMatcher(options.stop ?? []);
  const text = tokenizer.stream();
  let pending: number[] = [];
  let scored: TokenLogprobs[] = [];
  const chunk = (t: string): Chunk => {
    const made = { text: t, ids: pending, ...(options.logprobs === undefined ? {} : { logprobs: scored }) };
    pending = [];
    scored = [];
    return made;
  };

  const first = await session.prefill(prompt, {
    spent: account.prefill,
    ...(signal ? { signal } : {}),
    ...(options.onPrefill ? { onProgress: options.onPrefill } : {}),
    ...(options.keepRate === undefined ? {} : { keepRate: options.keepRate }),
  });
  account.cachedTokens = first.reused;
  account.promptRows = first.rows;
  account.kv = session.kvBytes;
  let { logits } = first;
  const room = session.room + 1;

  for (let n = 0; n < Math.min(maxTokens, room); n++) {
    const id = sampler.next(logits, account.ids);
    if (tokenizer.endOfGeneration.has(id)) {
      account.finishReason = 'stop';
      break;
    }
    account.ids.push(id);
    pending.push(id);
    if (options.logprobs !== undefined) scored.push(tokenLogprobs(logits, id, options.logprobs, tokenizer.size));
    const out = matcher.push(text.push(id));
    if (out.text) yield chunk(out.text);
    if (out.stopped) {
      account.finishReason = 'stop';
      return;
    }
    if (n + 1 < Math.min(maxTokens, room)) {
      logits = await session.step(id, account.decode, signal);
      account.kv = session.kvBytes;
    }
  }
  const rest = matcher.push(text.flush());
  const tail = rest.stopped ? rest.text : rest.text + matcher.flush();
  if (tail || (scored.length && !rest.stopped)) yield chunk(tail);
}

/** The best answer of a beam search, in one chunk. */
async function* searched(
  session: Session,
  tokenizer: Tokenizer,
  prompt: readonly Piece[],
  options: GenerateOptions & { readonly numBeams: number; readonly maxTokens: number },
  account: Account,
): AsyncGenerator<Chunk, void, undefined> {
  if (options.temperature)
    throw new InputError(`numBeams: beam search does not draw: got temperature ${options.temperature}, leave it out or give 0`);
  const { onPrefill } = options;
  const { beamSearch } = await import('./beam.ts');
  const found = await beamSearch(session, prompt, {
    ...options,
    end: tokenizer.endOfGeneration,
    vocabulary: tokenizer.size,
    spent: account,
    ...(onPrefill ? { onProgress: onPrefill } : {}),
  });
  account.cachedTokens = found.reused;
  account.promptRows = found.rows;
  account.kv = session.kvBytes;
  const best = found.hypotheses[0]?.ids ?? [];
  const ended = tokenizer.endOfGeneration.has(best.at(-1) ?? -1);
  const ids = ended ? best.slice(0, -1) : best;
  account.ids.push(...ids);
  const matcher = createStopMatcher(options.stop ?? []);
  const out = matcher.push(tokenizer.decode(ids));
  if (ended || out.stopped) account.finishReason = 'stop';
  yield { text: out.stopped ? out.text : out.text + matcher.flush(), ids };
}
