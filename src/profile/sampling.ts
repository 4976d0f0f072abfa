// Which runs of a program a profile times record by record: all of large programs, some of small ones, so that timing takes no more than a
// share of the time.

import type { Program } from '../runtime/engine.ts';

/** Runs that are timed in any case: the first one is cold. */
const LEAST = 3;
/** A run of so many milliseconds is not slowed down visibly. */
const LARGE_MS = 20;
/** Runs of each kind that are compared: their medians, since machines are shared. */
const COMPARED = 7;

interface Tally {
  runs: number;
  /** Of all runs. */
  ms: number;
  /** What timing took so far. */
  spentMs: number;
  /** What timing a run takes. */
  costMs: number;
  /** The last runs, timed and not. */
  readonly timedMs: number[];
  readonly plainMs: number[];
}

export class Sampling {
  readonly #share: number;
  readonly #readingMs: number;
  readonly #tallies: Map<Program, Tally> = new Map();

  /** `share`: of a program's time that timing may take. `readingMs`: milliseconds of a reading of the clock. */
  constructor(share: number, readingMs: number = clockMs()) {
    this.#share = share;
    this.#readingMs = readingMs;
  }

  /** Whether to time the next run of a program. */
  wants(program: Program): boolean {
    const t = this.#tallies.get(program);
    if (!t || t.runs < LEAST) return true;
    const mean = t.ms / t.runs;
    // One that is not timed, to compare with.
    if (mean < LARGE_MS && !t.plainMs.length && Number.isFinite(this.#share)) return false;
    return t.spentMs + t.costMs <= this.#share * (t.ms + mean);
  }

  /** Counts a run of `ms` milliseconds, which takes so many readings of the clock where it is timed. */
  ran(program: Program, readings: number, timed: boolean, ms: number): void {
    let t = this.#tallies.get(program);
    if (!t) {
      t = { runs: 0, ms: 0, spentMs: 0, costMs: readings * this.#readingMs, timedMs: [], plainMs: [] };
      this.#tallies.set(program, t);
    }
    if (t.runs++ > 0) {
      const last = timed ? t.timedMs : t.plainMs;
      if (last.push(ms) > COMPARED) last.shift();
    }
    t.ms += ms;
    if (!timed) return;
    // Readings are the least that timing costs; threads also hand their times over, which only the comparison tells. It may be wrong where
    // the machine was busy: at most a whole run is believed, so that the next timed one comes and sets it right.
    const least = readings * this.#readingMs;
    if (t.plainMs.length) t.costMs = Math.max(least, Math.min(median(t.timedMs) - median(t.plainMs), t.ms / t.runs));
    t.spentMs += t.costMs;
  }
}

const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[xs.length >> 1]!;

/** Milliseconds of a reading of the clock: 0.03 us where a processor's counter is read, ten times as much in some virtual machines. */
function clockMs(): number {
  const readings = 64;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    for (let k = 1; k < readings; k++) performance.now();
    least = Math.min(least, (performance.now() - start) / readings);
  }
  return least;
}
