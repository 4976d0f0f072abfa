// Golden cases of PyTorch files: every form, and hostile ones.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PumiceError } from '../errors.ts';
import { openCheckpoint } from '../formats/checkpoint.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import type { TensorFiles } from '../formats/tensors.ts';
import { openTorchBin } from '../formats/torchBin.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { Mismatch } from './compare.ts';
import type { CaseRunner } from './runner.ts';

/** A refusal must come within this CPU time (a busy machine's clock says nothing), and with this much memory. */
const MAX_MS = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

async function allBytes(files: TensorFiles, name: string): Promise<Uint8Array> {
  const info = files.tensors.get(name);
  if (info === undefined) throw new Mismatch(`there is no tensor ${name}`);
  const bytes = new Uint8Array(info.bytes);
  await files.readInto(info, bytes);
  return bytes;
}

/** The tensors of the file or folder are those of expected.safetensors, bit by bit, whole and in pieces that respect no element. */
async function sameTensors(dir: string): Promise<void> {
  const projector = join(dir, 'mm_projector.bin');
  const want = await openSafetensors(fileSource(join(dir, 'expected.safetensors')));
  const got = existsSync(projector) ? await openTorchBin(fileSource(projector)) : await openCheckpoint(localFolder(dir));
  try {
    const [g, w] = [[...got.tensors.keys()].sort().join(' '), [...want.tensors.keys()].sort().join(' ')];
    if (g !== w) throw new Mismatch(`tensors: got ${g}, want ${w}`);
    for (const info of got.tensors.values()) {
      const expected = want.tensors.get(info.name);
      if (JSON.stringify(info) !== JSON.stringify(expected))
        throw new Mismatch(`${info.name}: got ${JSON.stringify(info)}, want ${JSON.stringify(expected)}`);
      const bytes = await allBytes(want, info.name);
      if (Buffer.compare(await allBytes(got, info.name), bytes) !== 0) throw new Mismatch(`${info.name}: the bytes differ`);
      const from = Math.floor(info.bytes / 3);
      const piece = new Uint8Array(Math.ceil(info.bytes / 3));
      await got.readInto(info, piece, from);
      if (Buffer.compare(piece, bytes.subarray(from, from + piece.length)) !== 0)
        throw new Mismatch(`${info.name}: the bytes from ${from} on differ`);
    }
  } finally {
    await got.close();
    await want.close();
  }
}

interface Expectations {
  readonly files: readonly { file: string; expect: readonly string[]; why: string }[];
}

/** Each file is refused with one of its classes, or loads where it says so, in time, and leaves no trace on any prototype. */
async function hostile(dir: string): Promise<void> {
  const { files } = JSON.parse(readFileSync(join(dir, 'expectations.json'), 'utf8')) as Expectations;
  const wrong: string[] = [];
  for (const { file, expect, why } of files) {
    const start = process.cpuUsage();
    const before = process.memoryUsage();
    let outcome = 'accept';
    try {
      const opened = await openTorchBin(fileSource(join(dir, file)));
      for (const name of opened.tensors.keys()) await allBytes(opened, name);
      await opened.close();
    } catch (error) {
      outcome = error instanceof PumiceError ? error.code : `an untyped error (${error})`;
    }
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    if (!expect.includes(outcome)) wrong.push(`${file} (${why}): got ${outcome}, want ${expect.join(' or ')}`);
    const { user } = process.cpuUsage(start);
    if (user > MAX_MS * 1000) wrong.push(`${file}: took ${Math.round(user / 1000)} ms`);
    if (grown > MAX_BYTES) wrong.push(`${file}: took ${Math.round(grown / 2 ** 20)} MiB`);
  }
  if (Object.keys(Object.prototype).length > 0) wrong.push('a prototype was changed');
  if (wrong.length > 0) throw new Mismatch(`${wrong.length} of ${files.length} files:\n${wrong.join('\n')}`);
}

const FORMS = /^(zip-|legacy-|mm-projector$|bin-sharded$)/;

export const cases: readonly CaseRunner[] = [
  { matches: (system, name) => system === 'torch-bin' && FORMS.test(name), run: sameTensors },
  { matches: (system, name) => system === 'torch-bin' && name === 'bad', run: hostile },
];
