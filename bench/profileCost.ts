// What a profile costs: decode steps of a model with it and without, in turns, one process.
//   node build/bench/profileCost.js [--model MODEL.gguf] [--threads 0] [--rounds 200] [--all]
// --all: every run is timed, whatever it costs.

import { parseArgs } from 'node:util';
import { embedded } from '../src/cli/embedded.ts';
import { Session } from '../src/generate/session.ts';
import { Llava } from '../src/index.ts';
import { Profile } from '../src/profile/profile.ts';

const STEPS = 50;
const CONTEXT = 64;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    threads: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '200' },
    all: { type: 'boolean' },
  },
});
await using llava = await Llava.load(embedded(values.model), { threads: Number(values.threads) });
const { programs } = llava;
const session = new Session(programs, llava.model.decoder);
await session.prefill(Array.from({ length: CONTEXT }, (_, i) => i + 3));

/** CPU and wall milliseconds of a step. */
async function steps(): Promise<readonly [number, number]> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < STEPS; i++) {
    await session.step(5);
    session.truncate(CONTEXT);
  }
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return [(user + system) / 1000 / STEPS, wall / STEPS];
}

for (let i = 0; i < 20; i++) await steps();
const profile = new Profile([programs], values.all ? { overhead: Number.POSITIVE_INFINITY } : {});
const watching = programs.observer;
const pairs: { readonly on: readonly [number, number]; readonly off: readonly [number, number] }[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const run = async (on: boolean) => {
    programs.observer = on ? watching : undefined;
    return steps();
  };
  // Who comes second is another one each time.
  if (round % 2) pairs.push({ on: await run(true), off: await run(false) });
  else {
    const off = await run(false);
    pairs.push({ off, on: await run(true) });
  }
}
const median = (xs: readonly number[]) => [...xs].sort((a, b) => a - b)[xs.length >> 1]!;
const runs = profile.runTimes();
const longer = (k: 0 | 1) => `${(100 * (median(pairs.map((p) => p.on[k] / p.off[k])) - 1)).toFixed(1)} %`;
console.log(`a step: ${(1000 * median(pairs.map((p) => p.off[1]))).toFixed(0)} us, ${profile.events.length / runs.length} records`);
console.log(`with a profile longer by: CPU time ${longer(0)}, wall time ${longer(1)} (medians of ${pairs.length} pairs of ${STEPS} steps)`);
console.log(`timed: ${runs.filter((r) => r.timed).length} of ${runs.length} runs`);
