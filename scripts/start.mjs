// `npm start`: installs and builds where needed, then runs the command line; without arguments it describes an example picture.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const run = (command, args, stdio = 'inherit') => {
  const { status } = spawnSync(command, args, { stdio });
  if (status !== 0) process.exit(status ?? 1);
};
// Set-up speaks on stderr: stdout is the answer's.
const quiet = ['ignore', 2, 2];
if (!existsSync('node_modules/typescript')) run('npm', ['ci', '--no-audit', '--no-fund'], quiet);
run('npm', ['run', '--silent', 'build'], quiet);

const example = 'examples/scene-1.png';
const args = process.argv.slice(2);
if (args.length === 0) console.error(`${example}:`);
run(process.execPath, ['build/src/cli/main.js', 'run', ...(args.length ? args : ['--image', example])]);
