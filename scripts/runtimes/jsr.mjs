// The package as jsr would have it: Deno checks it by a dry run of `deno publish`, and runs the selection with its sources, which a server
// gives as jsr's does: by address, kernels and worker with them. Usage: node jsr.mjs ROOT TOOLS. Prints the report.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const [root, tools] = process.argv.slice(2);
const deno = join(tools, 'node_modules/@deno/linux-x64-glibc/deno');
const sources = join(root, 'jsr');
execFileSync(process.execPath, [fileURLToPath(new URL('../jsr.mjs', import.meta.url)), sources], { stdio: 'inherit' });

// Away from the app, whose node_modules Deno would take for the package's.
const alone = join(tmpdir(), `pumice-jsr-${process.pid}`);
cpSync(sources, alone, { recursive: true });
try {
  execFileSync(deno, ['publish', '--dry-run', '--quiet', '--allow-dirty'], { cwd: alone, stdio: ['ignore', 2, 2] });
} finally {
  rmSync(alone, { recursive: true, force: true });
}

const TYPES = { ts: 'application/typescript', js: 'text/javascript' };
const server = createServer((request, response) => {
  const path = join(sources, normalize(new URL(request.url, 'http://localhost').pathname));
  try {
    response.writeHead(200, { 'content-type': TYPES[path.split('.').at(-1)] ?? 'text/plain' }).end(readFileSync(path));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
try {
  const host = `127.0.0.1:${server.address().port}`;
  const imports = { pumice: `http://${host}/src/entries/jsr.ts`, 'pumice/core': `http://${host}/src/core.ts` };
  writeFileSync(join(root, 'jsr-imports.json'), JSON.stringify({ imports }));
  // No address may be fetched but by import: the kernels come with the modules.
  const rights = ['--allow-read', `--allow-import=${host}`, '--no-prompt', '--no-lock', '--no-check', '--quiet'];
  const run = ['run', ...rights, '--import-map', 'jsr-imports.json', 'server.mjs', 'deno (jsr)'];
  const { stdout } = await promisify(execFile)(deno, run, {
    cwd: root,
    env: { ...process.env, DENO_DIR: join(root, 'jsr-cache') },
    timeout: 120_000,
  });
  process.stdout.write(stdout);
} finally {
  server.close();
}
