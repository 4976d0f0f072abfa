// What the engine relies on in the compiled kernels: many instances share one memory, so a module may own nothing in it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as opcodes from '../assembly/opcodes.ts';
import { OPCODE, RECORD_BYTES, ROWS, SCRATCH } from '../assembly/program.ts';
import { instantiate } from '../src/runtime/runner.ts';
import { builds } from './harness.ts';

const GLOBALS = 6;
const DATA = 11;
const releases = ['simd', 'relaxed'] as const;
const sets = ['kernels', 'quantizers'] as const;
const bytesOf = (build: string, set = 'kernels'): Uint8Array<ArrayBuffer> => {
  const root = new URL(import.meta.url.endsWith('.js') ? '../' : '../build/', import.meta.url);
  return new Uint8Array(readFileSync(new URL(`wasm/${set}.${build}.wasm`, root)));
};

/** Contents of each section, by id. */
function sections(wasm: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let at = 8;
  while (at < wasm.length) {
    const id = wasm[at]!;
    const size = leb(wasm, at + 1);
    found.set(id, wasm.subarray(size.next, size.next + size.value));
    at = size.next + size.value;
  }
  return found;
}

/** An unsigned LEB128 number. */
function leb(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  let shift = 0;
  for (;;) {
    const b = bytes[at++]!;
    value += (b & 127) * 2 ** shift;
    shift += 7;
    if (b < 128) return { value, next: at };
  }
}

/** Mutability of each global. Initialisers are constants of the four number types. */
function mutableGlobals(section: Uint8Array | undefined): number {
  if (!section) return 0;
  let { value: count, next: at } = leb(section, 0);
  let mutable = 0;
  for (; count > 0; count--) {
    mutable += section[at + 1]!;
    const op: number = section[at + 2]!;
    assert.ok(op >= 0x41 && op <= 0x44, 'a global with an initialiser that is no number');
    at += 3;
    if (op === 0x43) at += 4;
    else if (op === 0x44) at += 8;
    else at = leb(section, at).next;
    assert.equal(section[at++], 0x0b);
  }
  return mutable;
}

for (const [build, set] of releases.flatMap((b) => sets.map((s) => [b, s] as const))) {
  test(`wasm ${set} ${build}: imports env.memory and nothing else, exports run and nothing else`, async () => {
    if (!(builds as readonly string[]).includes(build)) return;
    const module = await WebAssembly.compile(bytesOf(build, set));
    assert.deepEqual(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
    assert.deepEqual(WebAssembly.Module.exports(module), [{ name: 'run', kind: 'function' }]);
    assert.equal(WebAssembly.validate(bytesOf(build, set)), true);
  });

  test(`wasm ${set} ${build}: no data, no mutable globals`, () => {
    const s = sections(bytesOf(build, set));
    assert.equal(s.has(DATA) ? leb(s.get(DATA)!, 0).value : 0, 0, 'data segments would be written again by every instance');
    assert.equal(mutableGlobals(s.get(GLOBALS)), 0, 'every instance would have its own');
    assert.ok(s.size > 3);
  });
}

for (const build of releases) {
  test(`wasm ${build}: every opcode is dispatched in one set`, async () => {
    if (!(builds as readonly string[]).includes(build)) return;
    const modules = await Promise.all(sets.map((set) => WebAssembly.compile(bytesOf(build, set))));
    /** What a record of nothing but an opcode and no rows runs into. */
    const outcome = (module: WebAssembly.Module, code: number): string => {
      const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true });
      const view = new DataView(memory.buffer);
      const record = 4096;
      view.setUint32(record + OPCODE, code, true);
      view.setUint32(record + ROWS, record + RECORD_BYTES, true);
      view.setUint32(record + SCRATCH, 65536, true);
      try {
        return `ran ${instantiate(module, memory).run(record, 1, 0, 1)}`;
      } catch (e) {
        return (e as Error).message;
      }
    };
    for (const module of modules) assert.match(outcome(module, 9999), /unreachable/);
    const known = (code: number) => modules.filter((module) => !/unreachable/i.test(outcome(module, code)));
    assert.deepEqual(
      Object.entries(opcodes).filter(([, code]) => known(code).length !== 1),
      [],
    );
  });
}

test('wasm: the relaxed dot is in the relaxed build only', () => {
  const has = (build: string): boolean => {
    const wasm = bytesOf(build);
    // i16x8.relaxed_dot_i8x16_i7x16_s and i32x4.relaxed_dot_i8x16_i7x16_add_s
    return wasm.some((b, i) => b === 0xfd && (wasm[i + 1] === 0x92 || wasm[i + 1] === 0x93) && wasm[i + 2] === 0x02);
  };
  assert.deepEqual([has('simd'), has('relaxed')], [false, true]);
});
