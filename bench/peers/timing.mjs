// Two programs take turns at the same work: CPU time and wall time of both, medians over the rounds.

/** CPU and wall milliseconds of this process, all threads. */
export const processClock = async () => {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1000, wall: performance.now() };
};

/** CPU and wall milliseconds of one of `repeat` runs of `body`. */
export async function timed(clock, body, repeat = 1) {
  const start = await clock();
  for (let i = 0; i < repeat; i++) await body();
  const end = await clock();
  return { cpu: (end.cpu - start.cpu) / repeat, wall: (end.wall - start.wall) / repeat };
}

const median = (xs) => [...xs].sort((a, b) => a - b)[xs.length >> 1];

/**
 * Measures and prints a line of JSON for each phase: rates of both sides, in `unit` per second.
 *
 * `ours()` and `theirs()` do the work and return { cpu, wall } milliseconds by phase; `phases` says what a phase is: its description, how
 * many units of work it does, and the ratio that is wanted. `rounds` 0: one round without a warm-up. `warmUp` replaces the round that
 * does not count.
 */
export async function contest({ peer, threads, unit, rounds, phases, ours, theirs, warmUp }) {
  const runs = { ours: [], theirs: [] };
  if (rounds > 0) {
    if (warmUp) await warmUp();
    else for (const run of [ours, theirs]) await run();
  }
  for (let r = 0; r < Math.max(rounds, 1); r++) {
    runs.ours.push(await ours());
    runs.theirs.push(await theirs());
  }
  for (const [phase, { what, amount, goal }] of Object.entries(phases)) {
    const rate = (list, key) => (1000 * amount) / median(list.map((t) => t[phase][key]));
    const rates = (list) => ({ cpu: rate(list, 'cpu'), wall: rate(list, 'wall') });
    console.log(JSON.stringify({ peer, what, threads, unit, goal, ours: rates(runs.ours), theirs: rates(runs.theirs) }));
  }
}
