// Do the types of every export resolve as the code does, for ESM and for bundlers? Usage: node types.mjs ROOT TOOLS.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [root, tools] = process.argv.slice(2);
const folder = join(root, 'node_modules/pumice');
const core = createRequire(join(tools, 'package.json')).resolve('@arethetypeswrong/core');
const { checkPackage, Package } = await import(pathToFileURL(core).href);
const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(js|ts|json)$/.test(name));
const files = Object.fromEntries(names.map((name) => [`/node_modules/pumice/${name}`, readFileSync(join(folder, name), 'utf8')]));
const { version } = JSON.parse(files['/node_modules/pumice/package.json']);
const { problems, entrypoints } = await checkPackage(new Package(files, 'pumice', version));
// The package is ESM only: what require() and the resolution of Node 10 make of it does not count.
const counted = problems.filter((p) => p.resolutionKind !== 'node10' && p.resolutionKind !== 'node16-cjs');
for (const p of counted) console.error(`types: ${p.kind} ${p.entrypoint ?? ''} ${p.resolutionKind ?? ''}`);
console.error(`types of ${Object.keys(entrypoints).length} exports: ${counted.length ? 'WRONG' : 'right'}`);
process.exitCode = counted.length ? 1 : 0;
