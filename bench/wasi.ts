// Cases of the bench as snapshots for the WASI command: node build/bench/wasi.js BUILD OUT [OP...]
//
// Prints the number of cases. One after the other, each with a memory of its own. Weights of the larger shapes are left out: a snapshot holds them.

import { closeSync, openSync, writeSync } from 'node:fs';
import {
  BENCH,
  FIRST_BYTE,
  H_MAGIC,
  H_MEMORY,
  H_PROGRAM,
  H_PROGRAM_COUNT,
  H_TABLE,
  H_WORK,
  HEADER_BYTES,
} from '../assembly/wasi/header.ts';
import { coldEngine } from '../kernels-tests/harness.ts';
import type { Build } from '../src/runtime/platform.ts';
import { type Case, install } from './harness.ts';

const LARGEST = 2 ** 24;
const [build, out, ...named] = process.argv.slice(2);
const ops = named.length ? named : ['attention', 'geluQuick', 'matmulF32', 'matmulQ4', 'rmsNorm', 'softmax'];
const file = openSync(out!, 'w');
let written = 0;
for (const op of ops) {
  const { cases } = (await import(`./${op}.bench.js`)) as { cases: readonly Case[] };
  for (const c of cases) {
    if (Object.values(c.inputs ?? {}).some((x) => x.byteLength > LARGEST)) continue;
    const engine = await coldEngine(build as Build);
    const { program, macs, bytes } = install(engine, c);
    const name = new TextEncoder().encode(`${op}, ${c.name}: ns, ${c.bound === 'memory' ? 'MB/s' : 'MMAC/s'} `);
    const memory = engine.bytes.subarray(FIRST_BYTE, engine.heap.used);
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    for (const [at, value] of [
      [H_MAGIC, BENCH],
      [H_MEMORY, memory.length],
      [H_TABLE, name.length],
      [H_PROGRAM, engine.addressOf(program)],
      [H_PROGRAM_COUNT, program.count],
      [H_WORK, Math.round((c.bound === 'memory' ? bytes : macs) / 1000)],
    ] as const)
      header.setUint32(at, value, true);
    for (const part of [new Uint8Array(header.buffer), memory, name]) writeSync(file, part);
    await engine.dispose();
    written++;
  }
}
closeSync(file);
console.log(written);
