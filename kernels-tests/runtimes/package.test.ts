// What users install: sizes, exports, and what importing it does.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { fixture } from '../fixtures.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const packed = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--loglevel=silent'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
)[0] as { size: number; files: { path: string; size: number }[] };
const kB = 1000;

for (const build of ['simd', 'relaxed']) {
  for (const [set, plain, compressed] of [
    ['kernels', 150, 25],
    ['quantizers', 20, 8],
  ] as const) {
    test(`${set} ${build}: at most ${plain} kB, ${compressed} kB compressed`, () => {
      const bytes = readFileSync(`${root}build/wasm/${set}.${build}.wasm`);
      assert.ok(bytes.length <= plain * kB, `${bytes.length} bytes`);
      assert.ok(gzipSync(bytes).length <= compressed * kB, `${gzipSync(bytes).length} bytes compressed`);
    });
  }
}

test('the package without its model: at most 500 kB compressed', () => {
  const models = packed.files.filter((f) => f.path.startsWith('models/')).reduce((n, f) => n + f.size, 0);
  // Weights hardly compress.
  assert.ok(packed.size - models <= 500 * kB, `${packed.size} bytes, ${models} of them models`);
});

test('every export is in the package, and nothing that is for developers', () => {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { exports: Record<string, unknown> };
  const paths = (value: unknown): string[] => (typeof value === 'string' ? [value] : Object.values(value as object).flatMap(paths));
  const files = new Set(packed.files.map((f) => `./${f.path}`));
  for (const path of paths(exports)) if (!path.includes('*')) assert.ok(files.has(path), path);
  assert.deepEqual(
    [...files].filter((f) => /\.map$|\.debug\.|\/golden\/|\.test\./.test(f)),
    [],
  );
});

test('publint finds nothing', async () => {
  const { messages, pkg } = await publint({ pkgDir: root, pack: false, strict: true, level: 'warning' });
  assert.deepEqual(
    messages.map((m) => formatMessage(m, pkg)),
    [],
  );
});

const STATIC = /^(?:import|export)\b[^'"]*from '([^']+)'|^import '([^']+)'/gm;
const LAZY = /\bimport\('([^']+)'\)/g;

/** Modules of the package that a module reaches, and what it imports from elsewhere. `lazy`: also by `import()`. */
function reach(entry: string, lazy: boolean): { modules: Set<string>; others: Set<string> } {
  const modules = new Set<string>();
  const others = new Set<string>();
  const visit = (path: string): void => {
    if (modules.has(path) || !existsSync(path)) return;
    modules.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, from, bare] of [...text.matchAll(STATIC), ...(lazy ? text.matchAll(LAZY) : [])]) {
      const specifier = from ?? bare ?? '';
      if (specifier.startsWith('.')) visit(fileURLToPath(new URL(specifier, `file://${path}`)));
      else others.add(specifier);
    }
  };
  visit(`${root}build/src/${entry}.js`);
  return { modules, others };
}

// Milliseconds depend on the machine; files that must be found, read and compiled one by one do not.
for (const [name, entry, most] of [
  ['pumice', 'entries/node', 3],
  ['pumice in browsers', 'entries/browser', 3],
  ['pumice/core', 'core', 60],
] as const) {
  test(`import of ${name}: at most ${most} files`, () => {
    const { modules } = reach(entry, false);
    assert.ok(modules.size <= most, `${modules.size}: ${[...modules].map((m) => m.slice(root.length)).join(', ')}`);
  });
}

test('what a model may need waits until it does', () => {
  const { modules, others } = reach('core', false);
  const early = [...modules].filter((m) =>
    /\/(tokenizer|convert|estimate)\/|\/models\/(?!open|registry|pruning|concat)|\/image\/(png|jpeg)|\/chat\/(template|conversation)|\/formats\/(safetensors|torch|pickle|zip|lora|http|quantize)/.test(
      m,
    ),
  );
  assert.deepEqual(early, []);
  assert.deepEqual([...others], []);
});

test('hub directories, pickles and their tokenizers are not for places without folders', () => {
  for (const entry of ['core', 'entries/browser', 'entries/edge']) {
    const { modules } = reach(entry, true);
    assert.deepEqual(
      [...modules].filter((m) => /\/(hubLayout|torchBin|pickle|safetensors|tokenizerJson|quantize\/index)\.js$/.test(m)),
      [],
      entry,
    );
  }
});

for (const name of ['pumice', 'pumice/core', 'pumice/inline']) {
  test(`import of ${name}: no side effects`, () => {
    const script = `
      const globals = Object.getOwnPropertyNames(globalThis).length;
      let compiled = 0;
      for (const name of ['compile', 'instantiate', 'Module', 'Instance', 'Memory']) {
        const real = WebAssembly[name];
        WebAssembly[name] = new Proxy(real, { apply: (...a) => (compiled++, Reflect.apply(...a)), construct: (...a) => (compiled++, Reflect.construct(...a)) });
      }
      const start = performance.now();
      await import(${JSON.stringify(name)});
      const ms = performance.now() - start;
      const { length } = Object.getOwnPropertyNames(globalThis);
      console.log(JSON.stringify({ ms, compiled, added: length - globals, left: process.getActiveResourcesInfo().filter((r) => /Timeout|Immediate|Message|Worker|TCP/.test(r)) }));`;
    const run = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })) as {
      ms: number;
      compiled: number;
      added: number;
      left: string[];
    };
    assert.deepEqual(run.left, []);
    assert.equal(run.added, 0);
    assert.equal(run.compiled, 0);
    console.log(`# import of ${name}: ${run.ms.toFixed(0)} ms`);
  });
}

test('the platform-free core reaches no runtime module', () => {
  for (const entry of ['core', 'entries/browser', 'entries/edge']) {
    const { modules, others } = reach(entry, true);
    assert.ok(modules.size > 100, `${modules.size} modules`);
    assert.deepEqual(
      [...others].filter((name) => name.startsWith('node:')),
      [],
      entry,
    );
    for (const path of modules)
      assert.doesNotMatch(readFileSync(path, 'utf8'), /\b(typeof|globalThis\.) ?(process|Deno|Bun|navigator)\b/, path);
  }
});

test("the README's script runs as it stands, with files that are here", () => {
  const [, script = ''] = /```ts\n(.*?)```/s.exec(readFileSync(`${root}README.md`, 'utf8')) ?? [];
  const here = script
    .replace(/load\('.*?', \{ mmproj: '.*?' \}\)/, "load(new URL(import.meta.resolve('pumice/models/pebble.gguf')))")
    .replace("'photo.jpg'", JSON.stringify(pathToFileURL(fixture('image/420.jpg')).href));
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', here], { cwd: root, encoding: 'utf8' });
  assert.match(said, /^\s*[A-Z].*imageTokens: 64/s);
});
