// Compiles the kernels: one wasm per target of asconfig.json, only where a source is newer than the result.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const newest = (path) =>
  statSync(path).isDirectory() ? Math.max(0, ...readdirSync(path).map((f) => newest(join(path, f)))) : statSync(path).mtimeMs;
const sources = Math.max(newest('assembly'), newest('asconfig.json'));

for (const target of process.argv.slice(2).length ? process.argv.slice(2) : ['simd', 'relaxed', 'debug']) {
  const out = `build/wasm/kernels.${target}.wasm`;
  if (existsSync(out) && statSync(out).mtimeMs > sources) continue;
  const { status } = spawnSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', 'assembly/index.ts', '--target', target], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
