// A run of the benches, in any runtime.

import { measureRoofline, type Roofline, rooflineUrl } from '../src/profile/roofline.ts';
import type { Build } from '../src/runtime/platform.ts';
import { bestBuild } from '../src/runtime/probe.ts';
import { families } from './families.ts';
import { type Case, type Host, line, measure, type Result } from './harness.ts';

/** Which cases, and how long each. Travels to other processes as JSON. */
export interface Asked {
  /** Modules beside this one that export `cases`; null: the families of models instead. */
  readonly files: readonly string[] | null;
  /** A case is run when every word stands in its line. */
  readonly words: readonly string[];
  /** Null: all that this runtime computes rightly. */
  readonly build: Build | null;
  /** Measuring time of a case in milliseconds. */
  readonly ms: number;
}

export interface Ran {
  readonly rooflines: Readonly<Partial<Record<Build, Roofline>>>;
  readonly results: readonly Result[];
}

/** Runs the cases one after the other; `say` gets a line of each. */
export async function runSuite(host: Host, asked: Asked, say: (text: string) => void): Promise<Ran> {
  const able: readonly Build[] = bestBuild() === 'relaxed' ? ['simd', 'relaxed'] : ['simd'];
  const rooflines = new Map<Build, Roofline>();
  for (const build of able.filter((b) => !asked.build || b === asked.build)) {
    const r = measureRoofline(build, await host.bytes(rooflineUrl(build)));
    rooflines.set(build, r);
    const peaks = `f32 ${r.f32.toFixed(1)} GMAC/s, i8 ${r.i8.toFixed(1)} GMAC/s, memory ${r.memory.toFixed(1)} GB/s`;
    say(`roofline         ${build.padEnd(7)} ${peaks}`);
  }
  const results: Result[] = [];
  for await (const { op, case: c } of asked.files ? cases(asked.files) : families()) {
    if (!asked.words.every((w) => `${op} ${c.name}`.includes(w))) continue;
    for (const [build, roofline] of rooflines) {
      const result = await measure(host, op, c, build, roofline, asked.ms);
      results.push(result);
      say(line(result));
    }
  }
  return { rooflines: Object.fromEntries(rooflines), results };
}

async function* cases(files: readonly string[]): AsyncGenerator<{ readonly op: string; readonly case: Case }> {
  for (const file of files) {
    const { cases } = (await import(`./${file}`)) as { cases: readonly Case[] };
    for (const c of cases) yield { op: file.replace('.bench.js', ''), case: c };
  }
}
