// Log-probabilities of tokens, from one row of logits.

import { InputError } from '../errors.ts';

export interface TokenLogprob {
  readonly id: number;
  /** Natural logarithm of the probability. */
  readonly logprob: number;
}

export interface TokenLogprobs extends TokenLogprob {
  /** The likeliest tokens, likeliest first. */
  readonly top: readonly TokenLogprob[];
}

/**
 * The chosen token's log-probability and those of the `top` likeliest, among the first `vocabulary` logits.
 * @throws InputError where `top` is not 0 to 20
 */
export function tokenLogprobs(logits: Float32Array, id: number, top: number, vocabulary: number): TokenLogprobs {
  if (!Number.isInteger(top) || top < 0 || top > 20) throw new InputError(`logprobs: got ${top}, 0 to 20 is expected`);
  const row = logits.subarray(0, vocabulary);
  let largest = -Infinity;
  for (const x of row) if (x > largest) largest = x;
  let sum = 0;
  for (const x of row) sum += Math.exp(x - largest);
  const total = largest + Math.log(sum);
  const best: number[] = [];
  for (let i = 0; i < row.length && top > 0; i++) {
    if (best.length === top && row[i]! <= row[best[top - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && row[best[at - 1]!]! < row[i]!) at--;
    best.splice(at, 0, i);
    best.length = Math.min(best.length, top);
  }
  const of = (i: number): TokenLogprob => ({ id: i, logprob: row[i]! - total });
  return { ...of(id), top: best.map(of) };
}
