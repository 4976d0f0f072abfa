// Writes the package as jsr takes it: the sources that its exports reach, with the addresses of what they import, and the kernels as a module.
// Needs a build. Usage: node jsr.mjs [FOLDER], default build/jsr; there: `deno publish`, or `deno publish --dry-run` to have it checked.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = resolve(process.argv[2] ?? join(root, 'build/jsr'));
const { version, license, dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const EXPORTS = {
  '.': './src/entries/jsr.ts',
  './core': './src/core.ts',
  './inline': './src/inline.js',
  './server': './src/server/index.ts',
};
/** Loaded by address, not imported. */
const WORKER = './src/runtime/worker.ts';
/** The kernels as a module: made by the build. */
const INLINE = join(root, 'src/inline.js');

rmSync(out, { recursive: true, force: true });
const write = (path, text) => {
  const to = join(out, relative(root, path));
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, text);
};

/** What a specifier without a path becomes, seen from the file that has it. */
function address(specifier, from) {
  const name = specifier.replace(/^#/, '');
  const wanted = dependencies[name];
  if (wanted === undefined) throw new Error(`jsr: ${from}: imports ${specifier}, which no dependency of package.json is`);
  return `npm:${name}@${wanted}`;
}

const seen = new Set();
function take(path) {
  if (seen.has(path) || path === INLINE) return;
  seen.add(path);
  if (!existsSync(path)) throw new Error(`jsr: ${path}: is imported, but there is no such file`);
  const text = readFileSync(path, 'utf8').replace(/(\bfrom |\bimport\(|^import )'([^']+)'/gm, (all, before, specifier) => {
    if (specifier.startsWith('.')) take(resolve(dirname(path), specifier));
    return /^(\.|node:)/.test(specifier) ? all : `${before}'${address(specifier, path)}'`;
  });
  write(path, text);
}
for (const entry of [...Object.values(EXPORTS), WORKER]) take(join(root, entry));

write(INLINE, `// @ts-self-types="./inline.d.ts"\n${readFileSync(join(root, 'build/src/inline.js'), 'utf8')}`);
write(join(root, 'src/inline.d.ts'), readFileSync(join(root, 'build/src/inline.d.ts'), 'utf8').replace(/\.js'/g, ".ts'"));
for (const name of ['README.md', 'LICENSE']) copyFileSync(join(root, name), join(out, name));
// Named, because Deno would take Node's types from the first package that brings some: jimp's are of Node 16.
const compilerOptions = { types: [`npm:@types/node@${devDependencies['@types/node']}`] };
const config = { name: '@pumice/pumice', version, license, exports: EXPORTS, compilerOptions };
write(join(root, 'jsr.json'), `${JSON.stringify(config, null, 2)}\n`);
console.error(`jsr: ${seen.size + 1} modules in ${out}`);
