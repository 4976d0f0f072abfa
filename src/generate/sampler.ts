// From logits to the next token. Order: logit bias, repetition penalty, no-repeat n-gram, temperature, top-k, top-p, min-p; each works on what the
// one before left, removed tokens have score -Infinity. All arithmetic is plain IEEE double precision in a fixed order (our own exp), so that a seed
// gives the same tokens on every runtime.

import { InputError } from '../errors.ts';
import { exp } from './exp.ts';
import { createRandom } from './random.ts';

/** How to choose tokens. Everything is off by default: greedy decoding. */
export interface SamplerOptions {
  /** 0 (default): always the most likely token. Otherwise scores are divided by it before the draw. */
  readonly temperature?: number;
  /** Only the k most likely tokens (and ties of the k-th). 0 (default): all. */
  readonly topK?: number;
  /** Only the smallest set of tokens whose probabilities reach this sum. 1 (default): all. At least one stays. */
  readonly topP?: number;
  /** Only tokens with at least this share of the largest probability. 0 (default): all. */
  readonly minP?: number;
  /** Scores of tokens seen already are divided by it (multiplied where negative). 1 (default): off. */
  readonly repetitionPenalty?: number;
  /** No run of this many tokens occurs twice. 0 (default): off. */
  readonly noRepeatNgramSize?: number;
  /** Added to the logits of these ids; -Infinity bans one. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Seed of the draws, an integer. Default: a random one. */
  readonly seed?: number;
}

/** Draws one token after the other. */
export interface Sampler {
  /** The seed in use: with it the same logits give the same tokens again. */
  readonly seed: number;
  /** Chooses from one row of logits, given the ids that count as seen. */
  next(logits: Float32Array, generated: readonly number[]): number;
  /** The probabilities that `next` draws from; with temperature 0 those of the scores before temperature. */
  probabilities(logits: Float32Array, generated: readonly number[]): Float64Array;
}

function inRange(name: string, value: number, from: number, to: number, whole = false): number {
  if (typeof value !== 'number' || !(value >= from && value <= to) || (whole && !Number.isInteger(value))) {
    const range = to === Number.MAX_VALUE || to === Number.MAX_SAFE_INTEGER ? `at least ${from}` : `from ${from} to ${to}`;
    throw new InputError(`sampler: option ${name}: got ${String(value)}, a ${whole ? 'whole ' : ''}number ${range} is expected`);
  }
  return value;
}

/** Makes a sampler. `vocabulary` is the tokenizer's size: rows of the model beyond it are padding and are never chosen. */
export function createSampler(options: SamplerOptions & { readonly vocabulary?: number } = {}): Sampler {
  const temperature = inRange('temperature', options.temperature ?? 0, 0, Number.MAX_VALUE);
  const topK = inRange('topK', options.topK ?? 0, 0, Number.MAX_SAFE_INTEGER, true);
  const topP = inRange('topP', options.topP ?? 1, 0, 1);
  const minP = inRange('minP', options.minP ?? 0, 0, 1);
  const penalty = inRange('repetitionPenalty', options.repetitionPenalty ?? 1, Number.MIN_VALUE, Number.MAX_VALUE);
  const ngram = inRange('noRepeatNgramSize', options.noRepeatNgramSize ?? 0, 0, Number.MAX_SAFE_INTEGER, true);
  const vocabulary = inRange('vocabulary', options.vocabulary ?? Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER, true);
  const bias = new Map(options.logitBias);
  for (const [id, value] of bias) {
    inRange('logitBias (id)', id, 0, Number.MAX_SAFE_INTEGER, true);
    if (typeof value !== 'number' || Number.isNaN(value) || value === Number.POSITIVE_INFINITY) {
      throw new InputError(`sampler: option logitBias of token ${id}: got ${String(value)}, a number or -Infinity is expected`);
    }
  }
  const seed = inRange('seed', options.seed ?? Math.floor(Math.random() * 2 ** 32), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true);
  const random = createRandom(seed);
  let scores = new Float64Array(0);

  function processed(logits: Float32Array, generated: readonly number[]): Float64Array {
    const n = Math.min(logits.length, vocabulary);
    if (scores.length !== n) scores = new Float64Array(n);
    for (let i = 0; i < n; i++) scores[i] = logits[i]!;
    for (const [id, value] of bias) if (id < n) scores[id]! += value;
    if (penalty !== 1) {
      for (const id of new Set(generated))
        if (id >= 0 && id < n) scores[id] = scores[id]! > 0 ? scores[id]! / penalty : scores[id]! * penalty;
    }
    if (ngram > 0) for (const id of repeats(generated, ngram)) if (id >= 0 && id < n) scores[id] = Number.NEGATIVE_INFINITY;
    return scores;
  }

  function probabilities(logits: Float32Array, generated: readonly number[]): Float64Array {
    const s = processed(logits, generated);
    if (temperature > 0) for (let i = 0; i < s.length; i++) s[i]! /= temperature;
    if (topK > 0 && topK < s.length) keepTopK(s, topK);
    const p = softmax(s);
    if (topP < 1) keepTopP(p, topP);
    if (minP > 0) keepMinP(p, minP);
    return p;
  }

  return {
    seed,
    probabilities,
    next(logits, generated) {
      if (temperature === 0) return best(processed(logits, generated));
      const p = probabilities(logits, generated);
      const target = random();
      let sum = 0;
      let last = 0;
      for (let i = 0; i < p.length; i++) {
        if (p[i] === 0) continue;
        sum += p[i]!;
        last = i;
        if (target < sum) return i;
      }
      return last; // rounding left the sum just below the target
    },
  };
}

/** The first of the largest scores. */
function best(scores: Float64Array): number {
  let at = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! > largest) {
      largest = scores[i]!;
      at = i;
    }
  }
  if (at < 0) throw new InputError(`sampler: no token can be chosen: got ${scores.length} scores, all of them are NaN or -Infinity`);
  return at;
}

/** Ids that followed the last n-1 ids before. */
function* repeats(ids: readonly number[], n: number): Generator<number> {
  const tail = ids.length - (n - 1);
  for (let i = 0; i < tail; i++) {
    let same = true;
    for (let k = 0; same && k < n - 1; k++) same = ids[i + k] === ids[tail + k];
    if (same && i + n - 1 < ids.length) yield ids[i + n - 1]!;
  }
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores[best(scores)]!;
  const p = new Float64Array(scores.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const value = scores[i]! > Number.NEGATIVE_INFINITY ? exp(scores[i]! - largest) : 0;
    p[i] = value;
    sum += value;
  }
  for (let i = 0; i < p.length; i++) p[i]! /= sum;
  return p;
}

/** Removes scores below the k-th largest. */
function keepTopK(scores: Float64Array, k: number): void {
  // A min-heap of the k largest: one pass, k is small.
  const heap = new Float64Array(k).fill(Number.NEGATIVE_INFINITY);
  for (const score of scores) {
    if (!(score > heap[0]!)) continue;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= k) break;
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= score) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = score;
  }
  for (let i = 0; i < scores.length; i++) if (!(scores[i]! >= heap[0]!)) scores[i] = Number.NEGATIVE_INFINITY;
}

/** Keeps the most likely tokens until their sum reaches p, at least one; the rest becomes 0. */
function keepTopP(p: Float64Array, limit: number): void {
  // Most of a vocabulary is far below: sort what is above a threshold, and lower it until the sum is reached.
  let ids: number[] = [];
  for (let threshold = 1e-3; ; threshold = threshold > 1e-12 ? threshold / 1e3 : 0) {
    ids = [];
    let sum = 0;
    for (let i = 0; i < p.length; i++) {
      if (p[i]! > threshold) {
        ids.push(i);
        sum += p[i]!;
      }
    }
    if (sum >= limit || threshold === 0) break;
  }
  ids.sort((a, b) => p[b]! - p[a]! || a - b);
  const kept = new Float64Array(p.length);
  let sum = 0;
  for (const id of ids) {
    if (sum > 0 && sum >= limit) break;
    sum += p[id]!;
    kept[id] = p[id]!;
  }
  for (let i = 0; i < p.length; i++) p[i] = kept[i]! / sum;
}

function keepMinP(p: Float64Array, share: number): void {
  let largest = 0;
  for (const value of p) if (value > largest) largest = value;
  let total = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i]! < share * largest) p[i] = 0;
    total += p[i]!;
  }
  for (let i = 0; i < p.length; i++) p[i]! /= total;
}
