// What users install: sizes, exports, and what importing it does.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

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
  test(`kernels ${build}: at most 150 kB, 25 kB compressed`, () => {
    const bytes = readFileSync(`${root}build/wasm/kernels.${build}.wasm`);
    assert.ok(bytes.length <= 150 * kB, `${bytes.length} bytes`);
    assert.ok(gzipSync(bytes).length <= 25 * kB, `${gzipSync(bytes).length} bytes compressed`);
  });
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

for (const name of ['pumice', 'pumice/core', 'pumice/inline']) {
  test(`import of ${name}: no side effects, quick`, () => {
    const script = `
      const globals = Object.getOwnPropertyNames(globalThis).length;
      const start = performance.now();
      await import(${JSON.stringify(name)});
      const ms = performance.now() - start;
      const { length } = Object.getOwnPropertyNames(globalThis);
      console.log(JSON.stringify({ ms, added: length - globals, left: process.getActiveResourcesInfo().filter((r) => /Timeout|Immediate|Message|Worker|TCP/.test(r)) }));`;
    const once = () =>
      JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })) as {
        ms: number;
        added: number;
        left: string[];
      };
    const runs = Array.from({ length: 3 }, once);
    assert.deepEqual(runs[0]!.left, []);
    assert.equal(runs[0]!.added, 0);
    // Reading 150 small files is most of it; other work on the machine makes it several times slower.
    assert.ok(Math.min(...runs.map((r) => r.ms)) < 1000, `${runs.map((r) => r.ms)}`);
    console.log(`# import of ${name}: ${Math.min(...runs.map((r) => r.ms)).toFixed(0)} ms`);
  });
}

test('the platform-free core reaches no runtime module', () => {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path) || !existsSync(path)) return;
    seen.add(path);
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/^(?:import|export)\b[^'"]*from '([^']+)'|^import '([^']+)'/gm)) {
      assert.doesNotMatch(specifier ?? '', /^node:/, path);
      if (specifier?.startsWith('.')) visit(fileURLToPath(new URL(specifier, `file://${path}`)));
    }
  };
  for (const entry of ['core', 'entries/browser', 'entries/edge']) visit(`${root}build/src/${entry}.js`);
  assert.ok(seen.size > 50);
  for (const path of seen) assert.doesNotMatch(readFileSync(path, 'utf8'), /\b(typeof|globalThis\.) ?(process|Deno|Bun|navigator)\b/, path);
});
