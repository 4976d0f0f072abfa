// An answer while it comes: an async iterable of chunks, its text, and what it cost.

import type { Account, Usage } from './generate/account.ts';
import type { Chunk } from './generate/generate.ts';
import type { Spent } from './runtime/programs.ts';

/** Iterate it once, or await `text()`. `usage` resolves when the answer is complete. */
export class Reply implements AsyncIterable<Chunk> {
  /** Tokens, times and operations; rejects when the answer failed. */
  readonly usage: Promise<Usage>;
  readonly #chunks: AsyncGenerator<Chunk>;
  #finish: (u: Usage) => void = () => {};
  #fail: (e: unknown) => void = () => {};
  readonly #account: Account;
  readonly #encoded: Spent;

  constructor(chunks: AsyncGenerator<Chunk>, account: Account, encoded: Spent) {
    this.#chunks = chunks;
    this.#account = account;
    this.#encoded = encoded;
    this.usage = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    // A caller who never asks for the usage must not get an unhandled rejection.
    this.usage.catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    try {
      yield* this.#chunks;
    } catch (e) {
      this.#fail(e);
      throw e;
    } finally {
      this.#finish(usageOf(this.#account, this.#encoded));
    }
  }

  /** The whole answer. */
  async text(): Promise<string> {
    let text = '';
    for await (const chunk of this) text += chunk.text;
    return text.trim();
  }
}

function usageOf(a: Account, encoded: Spent): Usage {
  return {
    promptTokens: a.promptRows,
    imageTokens: a.imageRows,
    cachedTokens: a.cachedTokens,
    completionTokens: a.ids.length,
    encodeMs: encoded.ms,
    prefillMs: a.prefill.ms,
    decodeMs: a.decode.ms,
    encodeFlops: 2 * encoded.macs,
    prefillFlops: 2 * a.prefill.macs,
    decodeFlops: 2 * a.decode.macs,
    kvBytes: a.kv.kept,
    kvBytesDense: a.kv.dense,
    kvMemory: a.kv.memory,
    finishReason: a.finishReason,
  };
}
