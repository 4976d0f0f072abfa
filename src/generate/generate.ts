// The prefill/decode loop: pieces in, chunks of text out.

import type { Spent } from '../runtime/programs.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { createSampler, type SamplerOptions } from './sampler.ts';
import type { Piece, Session } from './session.ts';
import { createStopMatcher } from './stop.ts';

export interface GenerateOptions extends SamplerOptions {
  /** Tokens of the answer at most. Default 512. */
  readonly maxTokens?: number;
  /** The answer ends before any of these texts. */
  readonly stop?: readonly string[];
  /** Stops between two tokens, and within a prefill between two operations. */
  readonly signal?: AbortSignal;
  /** Rows of the prompt computed so far and in all. */
  readonly onPrefill?: (done: number, total: number) => void;
}

export type FinishReason = 'stop' | 'length';

/** Counts and costs of one answer. */
export interface Usage {
  readonly promptTokens: number;
  readonly imageTokens: number;
  /** Rows of the prompt that the cache already held. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly encodeMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Floating-point (or integer) operations spent: 2 per multiply-add. */
  readonly encodeFlops: number;
  readonly prefillFlops: number;
  readonly decodeFlops: number;
  readonly finishReason: FinishReason;
}

export interface Chunk {
  readonly text: string;
  /** Ids that this chunk completes. */
  readonly ids: readonly number[];
}

/** What a generation adds up while it runs. */
export interface Account {
  readonly ids: number[];
  finishReason: FinishReason;
  cachedTokens: number;
  promptRows: number;
  imageRows: number;
  readonly prefill: Spent;
  readonly decode: Spent;
}

export const newSpent = (): Spent => ({ ms: 0, macs: 0, bytes: 0 });
export const newAccount = (): Account => ({
  ids: [],
  finishReason: 'length',
  cachedTokens: 0,
  promptRows: 0,
  imageRows: 0,
  prefill: newSpent(),
  decode: newSpent(),
});

/** Generates an answer to `prompt`. `account` is filled while chunks come. */
export async function* generate(
  session: Session,
  tokenizer: Tokenizer,
  prompt: readonly Piece[],
  options: GenerateOptions,
  account: Account,
): AsyncGenerator<Chunk, void, undefined> {
  const { signal, maxTokens = 512 } = options;
  const sampler = createSampler({ ...options, vocabulary: tokenizer.size });
  const matcher = createStopMatcher(options.stop ?? []);
  const text = tokenizer.stream();
  let pending: number[] = [];

  const first = await session.prefill(prompt, {
    spent: account.prefill,
    ...(signal ? { signal } : {}),
    ...(options.onPrefill ? { onProgress: options.onPrefill } : {}),
  });
  account.cachedTokens = first.reused;
  account.promptRows = first.rows;
  let { logits } = first;
  const room = session.decoder.options.context - session.length + 1;

  for (let n = 0; n < Math.min(maxTokens, room); n++) {
    const id = sampler.next(logits, account.ids);
    if (tokenizer.endOfGeneration.has(id)) {
      account.finishReason = 'stop';
      break;
    }
    account.ids.push(id);
    pending.push(id);
    const out = matcher.push(text.push(id));
    if (out.text) {
      yield { text: out.text, ids: pending };
      pending = [];
    }
    if (out.stopped) {
      account.finishReason = 'stop';
      return;
    }
    if (n + 1 < Math.min(maxTokens, room)) logits = await session.step(id, account.decode, signal);
  }
  const rest = matcher.push(text.flush());
  const tail = rest.stopped ? rest.text : rest.text + matcher.flush();
  if (tail) yield { text: tail, ids: pending };
}
