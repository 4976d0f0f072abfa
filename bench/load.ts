// What loading costs beside reading: node build/bench/load.js MODEL.gguf [--rounds 3]
//
// In turns: the file read into one small buffer, into a buffer of its size (whose memory the system must clear first, as that of any model), and
// loaded. Best of the rounds. A packed file (`pumice quantize --packed`) is only read.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Llava } from '../src/index.ts';

const PIECE = 2 ** 24;
const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '3' } } });
const path = positionals[0]!;

/** Reads the file from its beginning to its end, into `target` piece by piece or, where that is short, over and over. */
function read(whole: boolean): number {
  const file = openSync(path, 'r');
  const { size } = fstatSync(file);
  const target = new Uint8Array(whole ? size : PIECE);
  for (let at = 0; at < size; ) at += readSync(file, target, whole ? at : 0, Math.min(PIECE, size - at), at);
  closeSync(file);
  return size;
}

const ways: readonly (readonly [string, () => unknown])[] = [
  ['read into 16 MiB', () => read(false)],
  ['read into fresh memory', () => read(true)],
  ['load', async () => await (await Llava.load(path)).dispose()],
];
const best = ways.map(() => ({ s: Infinity, user: 0, system: 0 }));
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const [i, [, act]] of ways.entries()) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await act();
    const s = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    // The first round brings the file into the page cache.
    if (round > 0 && s < best[i]!.s) best[i] = { s, user: user / 1e6, system: system / 1e6 };
  }
}
console.log(`${(read(false) / 2 ** 30).toFixed(2)} GiB, node ${process.version}`);
for (const [i, [name]] of ways.entries()) {
  const { s, user, system } = best[i]!;
  console.log(
    `${name.padEnd(24)} ${s.toFixed(2)} s, CPU ${(user + system).toFixed(2)} s (system ${system.toFixed(2)}), ${(s / best[0]!.s).toFixed(2)} x, ${(s / best[1]!.s).toFixed(2)} x`,
  );
}
