// What the package weighs, bundled and minified by esbuild: what an import brings at once, and what an answer of the embedded model loads.
// Usage: node sizes.mjs ROOT TOOLS (hosts.mjs holds the edge script). Ends with 1 where a budget is passed.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Bytes, plain and compressed. `answer` is what was reached: the model's own chat template takes an interpreter of 53 kB (Jinja). */
const BUDGETS = { page: [2e3, 1e3], core: [80e3, 25e3], answer: [235e3, 80e3] };

const [root, tools] = process.argv.slice(2);
const out = join(root, 'out/sizes');
const { build } = createRequire(join(tools, 'package.json'))('esbuild');
for (const [name, from] of [
  ['page', 'pumice'],
  ['core', 'pumice/core'],
])
  writeFileSync(join(root, `size-${name}.mjs`), `export * from '${from}';\n`);
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { page: 'size-page.mjs', core: 'size-core.mjs' },
  outdir: out,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  metafile: true,
  logLevel: 'error',
});
const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [resolve(root, path), output]));

/** A chunk and all that it imports at once. */
function withImports(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const i of outputs.get(path).imports) if (i.kind === 'import-statement' && !i.external) withImports(resolve(root, i.path), seen);
  return seen;
}

const loaded = new Set();
registerHooks({
  load(url, context, next) {
    if (url.startsWith(pathToFileURL(out).href)) loaded.add(new URL(url).pathname);
    return next(url, context);
  },
});
const { Llava } = await import(pathToFileURL(join(out, 'page.js')).href);
const wasm = (kernels) => readFileSync(join(root, `node_modules/pumice/build/wasm/kernels.${kernels}.wasm`));
const llava = await Llava.load(new Uint8Array(readFileSync(join(root, 'files/pebble.gguf'))), { wasm, threads: 0 });
const image = new Uint8Array(readFileSync(join(root, 'files/picture.jpg')));
const content = [
  { type: 'image', image },
  { type: 'text', text: 'What is at the left?' },
];
if (!(await llava.chat([{ role: 'user', content }]).text())) throw new Error('sizes: the model says nothing');
await llava.dispose();

for (const [name, chunks] of [
  ['page', withImports(join(out, 'page.js'))],
  ['core', withImports(join(out, 'core.js'))],
  ['answer', loaded],
]) {
  const bytes = Buffer.concat([...chunks].map((path) => readFileSync(path)));
  const [plain, compressed] = BUDGETS[name];
  const packed = gzipSync(bytes, { level: 9 }).length;
  const fits = bytes.length <= plain && packed <= compressed;
  if (!fits) process.exitCode = 1;
  console.error(
    `size of ${name}: ${(bytes.length / 1e3).toFixed(1)} kB, ${(packed / 1e3).toFixed(1)} compressed, in ${chunks.size} chunks${fits ? '' : `: at most ${plain / 1e3} and ${compressed / 1e3} are allowed`}`,
  );
  const rooms = {};
  for (const path of chunks) {
    for (const [module, { bytesInOutput }] of Object.entries(outputs.get(path).inputs)) {
      const room =
        /pumice\/build\/src\/([^/]+)/.exec(module)?.[1] ?? /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module)?.[1] ?? basename(module);
      rooms[room] = (rooms[room] ?? 0) + bytesInOutput;
    }
  }
  const largest = Object.entries(rooms).sort((a, b) => b[1] - a[1]);
  console.error(
    `  ${largest
      .slice(0, 8)
      .map(([room, n]) => `${room} ${(n / 1e3).toFixed(1)}`)
      .join(', ')}`,
  );
}
