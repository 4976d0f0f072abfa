// Beam search: the `numBeams` most likely continuations side by side, as transformers 4.37 defines it.
//
//   score of a hypothesis = sum of log-probabilities / length^lengthPenalty,  its end token counted
//
// A step looks at the 2 * numBeams best candidates, best first: an end token among the first numBeams finishes a hypothesis, the others
// fill the running beams. The beams take turns in one cache: before a beam runs, the rows that differ are copied back.

import { InputError, UnsupportedError } from '../errors.ts';
import type { Spent } from '../runtime/programs.ts';
import { exp } from './exp.ts';
import type { Piece, Session, Snapshot } from './session.ts';

export interface BeamOptions {
  /** Continuations side by side. 1 (default): no beam search. */
  readonly numBeams?: number;
  /** Above 1 favours long answers, below 1 short ones. Default 1. */
  readonly lengthPenalty?: number;
  /** Stop as soon as numBeams hypotheses are finished; default: when no running beam can become better. */
  readonly earlyStopping?: boolean;
}

export interface BeamSearch extends BeamOptions {
  readonly numBeams: number;
  readonly maxTokens: number;
  /** Tokens that finish a hypothesis. */
  readonly end: ReadonlySet<number>;
  /** Ids from here on are never chosen: the tokenizer's size. */
  readonly vocabulary?: number;
  readonly spent?: { readonly prefill: Spent; readonly decode: Spent };
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  readonly keepRate?: number;
}

export interface Hypothesis {
  /** With the end token, where it has one. */
  readonly ids: readonly number[];
  readonly score: number;
}

interface Beam {
  readonly ids: readonly number[];
  /** Sum of log-probabilities. */
  readonly sum: number;
  readonly logits: Float32Array;
  readonly state: Snapshot;
}

interface Candidate {
  readonly beam: Beam;
  readonly id: number;
  readonly sum: number;
}

/** The best hypotheses, best first, at most numBeams. */
export async function beamSearch(
  session: Session,
  prompt: readonly Piece[],
  options: BeamSearch,
): Promise<{ hypotheses: Hypothesis[]; reused: number; rows: number }> {
  const { numBeams, maxTokens, end, lengthPenalty = 1, earlyStopping = false, signal, spent } = options;
  if (!Number.isInteger(numBeams) || numBeams < 1) throw new InputError(`numBeams: must be a positive integer: got ${numBeams}`);
  if (session.decoder.hooks.recompute)
    throw new UnsupportedError('numBeams: needs a cache: this model runs the whole sequence at every token');
  const first = await session.prefill(prompt, {
    ...(spent && { spent: spent.prefill }),
    ...(signal && { signal }),
    ...(options.onProgress && { onProgress: options.onProgress }),
    ...(options.keepRate !== undefined && { keepRate: options.keepRate }),
  });
  const base = session.length;
  const score = (sum: number, length: number): number => sum / length ** lengthPenalty;
  const limit = Math.min(maxTokens, session.room + 1);

  const finished: Hypothesis[] = [];
  let beams: Beam[] = [{ ids: [], sum: 0, logits: first.logits, state: session.save(base) }];
  for (let length = 1; length <= limit; length++) {
    const best = candidates(beams, 2 * numBeams, options.vocabulary ?? Number.POSITIVE_INFINITY);
    const next: Candidate[] = [];
    for (const [rank, c] of best.entries()) {
      if (next.length === numBeams) break;
      if (!end.has(c.id)) next.push(c);
      else if (rank < numBeams) keep(finished, { ids: [...c.beam.ids, c.id], score: score(c.sum, length) }, numBeams);
    }
    const enough = finished.length === numBeams;
    if (enough && (earlyStopping || finished.at(-1)!.score >= score(best[0]!.sum, length))) break;
    if (length === limit) {
      for (const c of next) keep(finished, { ids: [...c.beam.ids, c.id], score: score(c.sum, length) }, numBeams);
      break;
    }
    const running: Beam[] = [];
    for (const { beam, id, sum } of next) {
      session.restore(beam.state);
      const logits = await session.step(id, spent?.decode, signal);
      running.push({ ids: [...beam.ids, id], sum, logits, state: session.save(base) });
    }
    beams = running;
  }
  return { hypotheses: finished, reused: first.reused, rows: first.rows };
}

/** Inserts where it belongs; beyond `size` the worst falls out. */
function keep(sorted: Hypothesis[], h: Hypothesis, size: number): void {
  const at = sorted.findIndex((other) => other.score < h.score);
  sorted.splice(at < 0 ? sorted.length : at, 0, h);
  sorted.length = Math.min(sorted.length, size);
}

/** The `count` best one-token continuations of all beams, best first. */
function candidates(beams: readonly Beam[], count: number, vocabulary: number): Candidate[] {
  const best: Candidate[] = [];
  for (const beam of beams) {
    const logits = beam.logits.subarray(0, Math.min(beam.logits.length, vocabulary));
    const norm = logSumExp(logits);
    for (let id = 0; id < logits.length; id++) {
      const sum = beam.sum + logits[id]! - norm;
      if (best.length === count && sum <= best[count - 1]!.sum) continue;
      const at = best.findIndex((c) => c.sum < sum);
      best.splice(at < 0 ? best.length : at, 0, { beam, id, sum });
      best.length = Math.min(best.length, count);
    }
  }
  return best;
}

function logSumExp(x: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const v of x) max = Math.max(max, v);
  let sum = 0;
  for (const v of x) sum += exp(v - max);
  return max + Math.log(sum);
}
