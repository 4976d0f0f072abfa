// One name, five places: opcode, kernel, graph op, test, bench. Nothing can be forgotten.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as opcodes from '../assembly/opcodes.ts';
import type { Op } from '../src/graph/op.ts';

/** Ops without a bench, and why. */
const NO_BENCH: Readonly<Record<string, string>> = {};

const built = import.meta.url.endsWith('.js');
const root = new URL(built ? '../../' : '../', import.meta.url);
const files = (folder: string, end: string): string[] =>
  readdirSync(new URL(folder, root), { recursive: true })
    .map(String)
    .filter((f) => f.endsWith(end))
    .map((f) => f.slice(0, -end.length));
const source = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** OP_MATMUL_Q4 -> matmulQ4 */
const camel = (name: string): string =>
  name
    .replace(/^OP_/, '')
    .toLowerCase()
    .replace(/_(.)/g, (_, c: string) => c.toUpperCase());

const codes = new Map(Object.entries(opcodes).map(([name, code]) => [camel(name), code as number]));
const names = [...codes.keys()].sort();

/** Names the difference, which a long diff would hide. */
function agree(got: readonly string[], want: readonly string[]): void {
  assert.deepEqual(
    { missing: want.filter((n) => !got.includes(n)), extra: got.filter((n) => !want.includes(n)) },
    { missing: [], extra: [] },
  );
  assert.equal(new Set(got).size, got.length, 'a name stands twice');
}

test('opcodes are numbers of their own', () => {
  assert.equal(new Set(codes.values()).size, codes.size);
});

test('every opcode has its kernel, and every kernel its opcode', () => {
  const kernels = files('assembly/kernels', '.ts').flatMap((path) => {
    const name = path.split('/').at(-1)!;
    const isKernel = new RegExp(`export function ${name}\\(op: usize, thread: i32, threads: i32\\): void`).test(
      source(`assembly/kernels/${path}.ts`),
    );
    return isKernel ? [name] : [];
  });
  agree(kernels, names);
});

test('a walk calls the kernel of each opcode', () => {
  const walks = ['index', 'quantizers'].map((set) => source(`assembly/${set}.ts`)).join('');
  const cases = [...walks.matchAll(/case op\.(OP_\w+):\s*(\w+)\(record, thread, threads\);\s*break;/g)];
  for (const [, code, kernel] of cases) assert.equal(kernel, camel(code!));
  agree(
    cases.map((c) => c[2]!),
    names,
  );
});

test('every opcode has its graph op, and every graph op its opcode', async () => {
  const ops = files('src/graph/ops', '.ts');
  agree(ops, names);
  for (const name of ops) {
    const module = (await import(`../src/graph/ops/${name}.${built ? 'js' : 'ts'}`)) as Record<string, Op>;
    const op = module[name];
    assert.ok(op, `src/graph/ops/${name}.ts exports no ${name}`);
    assert.equal(op.name, name);
    assert.equal(op.opcode, codes.get(name), name);
  }
});

test('every op has its test', () => {
  const tests = new Set(files('kernels-tests', '.test.ts'));
  assert.deepEqual(
    names.filter((n) => !tests.has(n)),
    [],
  );
});

test('every op has its bench, and every bench its op', () => {
  const expected = names.filter((n) => !(n in NO_BENCH));
  agree(files('bench', '.bench.ts'), expected);
});
