// A barrier for the threads of one run: bounded spin, then sleep.
//
// The last to arrive resets the count, decides for all whether the run goes on, and opens the next generation; it calls notify only
// when somebody sleeps. Spinning without a bound would cost a scheduler slice whenever there are more threads than free cores.

import { ABORT, BARRIER, BARRIER_COUNT, BARRIER_GENERATION, BARRIER_SLEEPERS, FLAGS, STOP } from './program.ts';

const SPINS = 20000;

/** What a walk does after each record: meets the others where the record says so. Returns false when the run is to end there. */
export function meet(record: usize, threads: i32): bool {
  return threads == 1 || (load<i32>(record, FLAGS) & BARRIER) == 0 || barrier(threads);
}

/** Waits for all `threads`. Returns false when the host asked to stop: every thread gets the same answer. */
function barrier(threads: i32): bool {
  const generation = atomic.load<i32>(BARRIER_GENERATION);
  if (atomic.add<i32>(BARRIER_COUNT, 1) == threads - 1) {
    atomic.store<i32>(BARRIER_COUNT, 0);
    atomic.store<i32>(STOP, atomic.load<i32>(ABORT));
    atomic.add<i32>(BARRIER_GENERATION, 1);
    if (atomic.load<i32>(BARRIER_SLEEPERS) != 0) atomic.notify(BARRIER_GENERATION, -1);
  } else {
    let spins = 0;
    while (atomic.load<i32>(BARRIER_GENERATION) == generation) {
      if (++spins > SPINS) {
        atomic.add<i32>(BARRIER_SLEEPERS, 1);
        while (atomic.load<i32>(BARRIER_GENERATION) == generation) atomic.wait<i32>(BARRIER_GENERATION, generation, -1);
        atomic.sub<i32>(BARRIER_SLEEPERS, 1);
      }
    }
  }
  return atomic.load<i32>(STOP) == 0;
}
