// `npm test`: installs and builds where needed, then runs every test file. Arguments select files by substring.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const run = (command, args) => {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: false });
  if (status !== 0) process.exit(status ?? 1);
};
if (!existsSync('node_modules/typescript')) run('npm', ['ci']);
run('npm', ['run', '--silent', 'build']);

const filters = process.argv.slice(2);
const files = readdirSync('build/kernels-tests', { recursive: true })
  .map(String)
  .filter((f) => f.endsWith('.test.js') && existsSync(join('kernels-tests', f.replace(/\.js$/, '.ts'))))
  .filter((f) => filters.length === 0 || filters.some((x) => f.includes(x)))
  .sort()
  .map((f) => join('build/kernels-tests', f));
run(process.execPath, ['--test', '--test-reporter=dot', ...files]);
