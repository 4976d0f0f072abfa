// npm run bench -- [--filter 'WORDS'] [--families] [--build simd|relaxed] [--time MS] [--json] [--compare OLD.json]
//
// Runs the cases of every bench/*.bench.ts, or with --families those of families.ts; of these all in whose line every word of the filter
// stands. In each build that this runtime computes rightly, one thread.

import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { builds } from '../kernels-tests/harness.ts';
import { measureRoofline, type Roofline, rooflineUrl } from '../src/profile/roofline.ts';
import type { Build } from '../src/runtime/platform.ts';
import { compare } from './compare.ts';
import { families } from './families.ts';
import { type Case, line, measure, type Result } from './harness.ts';

const { values } = parseArgs({
  options: {
    filter: { type: 'string' },
    families: { type: 'boolean' },
    build: { type: 'string' },
    time: { type: 'string' },
    json: { type: 'boolean' },
    compare: { type: 'string' },
  },
});
const print = (text: string): void => {
  if (!values.json) console.log(text);
};
const chosen = builds.filter((b) => b !== 'debug' && (!values.build || b === values.build));
const rooflines = new Map<Build, Roofline>();
const results: Result[] = [];

print(`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.versions.node}, V8 ${process.versions.v8}, one thread, medians`);
for (const build of chosen) {
  const r = measureRoofline(build, await readFile(rooflineUrl(build)));
  rooflines.set(build, r);
  print(
    `roofline       ${build.padEnd(7)} f32 ${r.f32.toFixed(1)} GMAC/s, i8 ${r.i8.toFixed(1)} GMAC/s, memory ${r.memory.toFixed(1)} GB/s`,
  );
}
const words = values.filter?.split(' ') ?? [];
for await (const { op, case: c } of values.families ? families() : files()) {
  if (!words.every((w) => `${op} ${c.name}`.includes(w))) continue;
  for (const build of chosen) {
    const result = await measure(op, c, build, rooflines.get(build)!, Number(values.time ?? 200));
    results.push(result);
    print(line(result));
  }
}
if (values.json)
  console.log(
    JSON.stringify({ cpu: cpus()[0]?.model, versions: process.versions, rooflines: Object.fromEntries(rooflines), results }, null, 2),
  );
if (values.compare) {
  const before = JSON.parse(await readFile(values.compare, 'utf8')) as { results: Result[] };
  for (const text of compare(before.results, results)) print(text);
}

async function* files(): AsyncGenerator<{ readonly op: string; readonly case: Case }> {
  for (const file of (await readdir(new URL('.', import.meta.url))).filter((f) => f.endsWith('.bench.js')).sort()) {
    const { cases } = (await import(`./${file}`)) as { cases: readonly Case[] };
    for (const c of cases) yield { op: file.replace('.bench.js', ''), case: c };
  }
}
