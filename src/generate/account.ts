// What an answer costs: counted while it runs, and told at its end.

import type { Spent } from '../runtime/programs.ts';
import type { Session } from './session.ts';

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
  /** Bytes that the KV cache's rows take at the end, and would take if every layer kept every row. */
  readonly kvBytes: number;
  readonly kvBytesDense: number;
  /** Bytes of memory that the cache holds for them: whole pages of 64 rows of a layer. */
  readonly kvMemory: number;
  readonly finishReason: FinishReason;
}

/** What a generation adds up while it runs. */
export interface Account {
  readonly ids: number[];
  finishReason: FinishReason;
  cachedTokens: number;
  promptRows: number;
  imageRows: number;
  kv: Session['kvBytes'];
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
  kv: { kept: 0, dense: 0, memory: 0 },
  prefill: newSpent(),
  decode: newSpent(),
});
