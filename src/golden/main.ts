// The golden harness: node build/src/golden/main.js [--dir DIR] [--only SYSTEM[/CASE]]... [--json] [--stage-bytes N]
//
// Goes through every case under DIR (default ../shared/golden) and runs every runner that matches it. A case that no runner matches has failed.
// `--stage-bytes` cuts language models into stages of so many bytes of weights and caches.
// Prints one line a case (with --json: one JSON object a line, with a digest of the floats that were compared) and last `N passed, N failed`. Exit status 1 when a case failed or none was found.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { takeDigest } from './compare.ts';
import { running } from './endToEnd.ts';
import { runners } from './registry.ts';

interface Case {
  readonly system: string;
  /** '' where the system's folder is one case. */
  readonly name: string;
  readonly dir: string;
}

const isCase = (dir: string): boolean => existsSync(join(dir, 'case.json')) || existsSync(join(dir, 'expectations.json'));
const foldersIn = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();

/** Every case below `root`, in the order of names: root/SYSTEM/CASE, or root/SYSTEM where that holds the case's files. */
function findCases(root: string): Case[] {
  return foldersIn(root).flatMap((system) => {
    const dir = join(root, system);
    if (isCase(dir)) return [{ system, name: '', dir }];
    // An index stands for the files beside it; the folders are cases of their own.
    const top = existsSync(join(dir, 'index.json')) ? [{ system, name: '', dir }] : [];
    return [...top, ...foldersIn(dir).map((name) => ({ system, name, dir: join(dir, name) }))];
  });
}

const title = ({ system, name }: Case): string => (name === '' ? system : `${system}/${name}`);

/** Runs one case; the text of what is wrong, or null when it passed. */
async function failure({ system, name, dir }: Case): Promise<string | null> {
  const matching = runners.filter((runner) => runner.matches(system, name));
  if (matching.length === 0) return 'no runner';
  try {
    for (const runner of matching) await runner.run(dir);
    return null;
  } catch (error) {
    // A Mismatch says it all; of anything else the stack is what helps.
    if (error instanceof Error) return error.name === 'Mismatch' ? error.message : (error.stack ?? error.message);
    return String(error);
  }
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: '../shared/golden' },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      'stage-bytes': { type: 'string' },
    },
  });
  if (values['stage-bytes'] !== undefined) running.stageBytes = Number(values['stage-bytes']);
  const root = resolve(values.dir);
  if (!existsSync(root)) throw new RangeError(`there is no folder ${values.dir}: name one with --dir`);
  const all = findCases(root);
  const wanted = (one: Case, only: string): boolean => title(one) === only || one.system === only;
  for (const only of values.only) if (!all.some((one) => wanted(one, only))) throw new RangeError(`no case matches --only ${only}`);
  const chosen = values.only.length === 0 ? all : all.filter((one) => values.only.some((only) => wanted(one, only)));
  let passed = 0;
  for (const one of chosen) {
    const start = performance.now();
    const error = await failure(one);
    const ms = performance.now() - start;
    if (error === null) passed++;
    if (values.json)
      console.log(
        JSON.stringify({
          system: one.system,
          case: one.name,
          passed: error === null,
          ms: Math.round(ms),
          digest: takeDigest(),
          ...(error !== null && { error }),
        }),
      );
    else
      console.log(
        `${error === null ? 'pass' : 'FAIL'} ${title(one).padEnd(48)} ${ms.toFixed(0).padStart(6)} ms${error === null ? '' : `\n     ${error.replaceAll('\n', '\n     ')}`}`,
      );
  }
  console.log(`${passed} passed, ${chosen.length - passed} failed`);
  return passed === chosen.length && passed > 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} catch (error) {
  console.error(`golden: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
