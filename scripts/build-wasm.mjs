// Compiles the sets of kernels: one wasm per set and target of asconfig.json; and the micro-kernels that measure the machine's peaks. Only where a source
// is newer than the result. Usage: node build-wasm.mjs [TARGET...]; default: all.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const newest = (path) =>
  statSync(path).isDirectory() ? Math.max(0, ...readdirSync(path).map((f) => newest(join(path, f)))) : statSync(path).mtimeMs;
const sources = Math.max(newest('assembly'), newest('asconfig.json'));

const chosen = process.argv.slice(2);
const builds = [
  ...['simd', 'relaxed', 'debug'].flatMap((target) => [
    { name: 'kernels', target, from: ['assembly/index.ts'] },
    { name: 'quantizers', target, from: ['assembly/quantizers.ts'] },
  ]),
  ...['simd', 'relaxed'].map((target) => ({ name: 'roofline', target, from: ['--config', 'assembly/roofline.json'] })),
];

for (const { name, target, from } of builds) {
  const out = `build/wasm/${name}.${target}.wasm`;
  if ((chosen.length && !chosen.includes(target)) || (existsSync(out) && statSync(out).mtimeMs > sources)) continue;
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/assemblyscript/bin/asc.js', ...from, '--target', target, '--outFile', out],
    {
      stdio: 'inherit',
    },
  );
  if (status !== 0) process.exit(status ?? 1);
}
