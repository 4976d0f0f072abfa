// Golden cases of the file formats: containers, split files, block formats, hostile files.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PumiceError } from '../errors.ts';
import { openCheckpoint } from '../formats/checkpoint.ts';
import { dequantize } from '../formats/dequantize.ts';
import { type GgufFile, openGguf, openGgufParts } from '../formats/gguf.ts';
import { ggufArchitecture } from '../formats/ggufConfig.ts';
import type { GgufValue } from '../formats/ggufMetadata.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import type { StorageType, TensorFiles } from '../formats/tensors.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { floats, loadTensors, Mismatch, readCase } from './compare.ts';
import type { CaseRunner } from './runner.ts';

/** A refusal must come within this time. */
const MAX_MS = 1000;

interface ExpectedContainer {
  readonly version: number;
  readonly alignment: number;
  readonly metadata: readonly { key: string; type: string; value: unknown }[];
  readonly tensors: readonly { name: string; ne: readonly string[]; nbytes: number; sha256: string }[];
}

interface Expectations {
  readonly files: readonly { file: string; expect: readonly string[]; why: string }[];
}

async function allBytes(files: TensorFiles, name: string): Promise<Uint8Array> {
  const info = files.tensors.get(name);
  if (info === undefined) throw new Mismatch(`there is no tensor ${name}`);
  const bytes = new Uint8Array(info.bytes);
  await files.readInto(info, bytes);
  return bytes;
}

function expectEqual(what: string, got: unknown, want: unknown): void {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)];
  if (g !== w) throw new Mismatch(`${what}: got ${g}, want ${w}`);
}

/** One item in the notation of expected.json. */
function plainItem(value: string | number | bigint | boolean | Uint8Array): unknown {
  if (typeof value === 'bigint') return { int64: value.toString() };
  if (value instanceof Uint8Array) return { bytes_base64: Buffer.from(value).toString('base64') };
  if (typeof value !== 'number' || Number.isFinite(value)) return Object.is(value, -0) ? '-0' : value;
  return { special: Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf' };
}

const shortType = (type: string): string => (type === 'string' ? 'str' : type);

function plainValue(value: GgufValue): { type: string; value: unknown } {
  if (value.type !== 'array') return { type: shortType(value.type), value: plainItem(value.value) };
  return {
    type: `arr[${shortType(value.value.of)}]`,
    value: Array.from(value.value.items as Iterable<string | number | bigint | boolean | Uint8Array>, plainItem),
  };
}

async function container(dir: string): Promise<void> {
  const expected = JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8'), (_key, value) =>
    Object.is(value, -0) ? '-0' : value,
  ) as ExpectedContainer;
  const { params } = readCase(dir);
  let file: GgufFile;
  try {
    file = await openGguf(fileSource(join(dir, 'model.gguf')));
  } catch (error) {
    if (error instanceof PumiceError && error.code === params.may_reject_with) return;
    throw error;
  }
  try {
    expectEqual('version', file.version, expected.version);
    expectEqual('alignment', file.alignment, expected.alignment);
    expectEqual(
      'metadata keys',
      [...file.metadata.keys()],
      expected.metadata.map((entry) => entry.key),
    );
    for (const { key, type, value } of expected.metadata) {
      const got = plainValue(file.metadata.get(key)!);
      expectEqual(`type of ${key}`, got.type, type);
      const isRaw = Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null && 'bytes_base64' in item);
      expectEqual(key, isRaw ? rawStrings(file, key) : got.value, value);
    }
    expectEqual(
      'tensors',
      [...file.tensors.keys()],
      expected.tensors.map((entry) => entry.name),
    );
    for (const { name, ne, nbytes, sha256 } of expected.tensors) {
      const info = file.tensors.get(name)!;
      expectEqual(`shape of ${name}`, info.shape, ne.map(Number).toReversed());
      expectEqual(`bytes of ${name}`, info.bytes, nbytes);
      expectEqual(
        `sha256 of ${name}`,
        createHash('sha256')
          .update(await allBytes(file, name))
          .digest('hex'),
        sha256,
      );
    }
  } finally {
    await file.close();
  }
}

function rawStrings(file: GgufFile, key: string): unknown {
  const array = file.meta.array(key);
  if (array.of !== 'string') throw new Mismatch(`${key}: got an array of ${array.of}`);
  return Array.from({ length: array.items.length }, (_, i) => plainItem(array.items.bytes(i)));
}

/** The parts open by the first, and hold the tensors with the types that the case names. */
async function split(dir: string): Promise<void> {
  const { files, params } = readCase(dir);
  const file = await openGgufParts(localFolder(dir), files.model as string);
  try {
    const want = Object.entries(params.tensor_types as Record<string, string>).map(([name, type]) => `${name} ${type.toLowerCase()}`);
    expectEqual('tensors', [...file.tensors.values()].map((info) => `${info.name} ${info.type}`).sort(), want.sort());
    for (const name of file.tensors.keys()) await allBytes(file, name);
  } finally {
    await file.close();
  }
}

async function dequant(dir: string): Promise<void> {
  const { params, files } = readCase(dir);
  const want = floats(await loadTensors(join(dir, 'expected.safetensors')), 'values');
  const got = dequantize((params.type as string).toLowerCase() as StorageType, readFileSync(join(dir, files.blocks as string)));
  if (got.length !== want.length) throw new Mismatch(`values: got ${got.length}, want ${want.length}`);
  for (let i = 0; i < want.length; i++) {
    // Equal numbers have equal bits but for zero, whose sign does not count; there is no NaN in the set.
    if (got[i] !== want[i])
      throw new Mismatch(`values[${i}]: got ${got[i]}, want ${want[i]} (block ${Math.floor(i / (params.block_size as number))})`);
  }
}

/** Opens every file of a folder of broken ones; each must be refused with one of its classes, or load where it says so. */
async function hostile(dir: string, open: (dir: string, file: string) => Promise<TensorFiles>): Promise<void> {
  const { files } = JSON.parse(readFileSync(join(dir, 'expectations.json'), 'utf8')) as Expectations;
  const wrong: string[] = [];
  for (const { file, expect, why } of files) {
    const start = performance.now();
    let outcome = 'accept';
    try {
      const opened = await open(dir, file);
      for (const name of opened.tensors.keys()) await allBytes(opened, name);
      await opened.close();
    } catch (error) {
      outcome = error instanceof PumiceError ? error.code : `an untyped error (${error})`;
    }
    if (!expect.includes(outcome)) wrong.push(`${file} (${why}): got ${outcome}, want ${expect.join(' or ')}`);
    if (performance.now() - start > MAX_MS) wrong.push(`${file}: took ${Math.round(performance.now() - start)} ms`);
  }
  if (wrong.length > 0) throw new Mismatch(`${wrong.length} of ${files.length} files:\n${wrong.join('\n')}`);
}

async function openModel(dir: string, name: string): Promise<TensorFiles> {
  const file = await openGgufParts(localFolder(dir), name);
  try {
    ggufArchitecture(file);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The tensors of a checkpoint folder are those of expected.safetensors, bit by bit. */
async function checkpoint(dir: string): Promise<void> {
  const want = await openSafetensors(fileSource(join(dir, 'expected.safetensors')));
  const got = await openCheckpoint(localFolder(dir));
  try {
    expectEqual('tensors', [...got.tensors.keys()].sort(), [...want.tensors.keys()].sort());
    for (const info of got.tensors.values()) {
      expectEqual(info.name, info, want.tensors.get(info.name));
      const [a, b] = [await allBytes(got, info.name), await allBytes(want, info.name)];
      if (Buffer.compare(a, b) !== 0) throw new Mismatch(`${info.name}: the bytes differ`);
    }
  } finally {
    await got.close();
    await want.close();
  }
}

export const cases: readonly CaseRunner[] = [
  { matches: (system, name) => system === 'gguf' && name.startsWith('container-'), run: container },
  { matches: (system, name) => system === 'gguf' && name === 'split-3', run: split },
  { matches: (system, name) => system === 'gguf' && name.startsWith('dequant-'), run: dequant },
  { matches: (system) => system === 'gguf-bad', run: (dir) => hostile(dir, openModel) },
  {
    matches: (system, name) => system === 'torch-bin' && name === 'safetensors-bad',
    run: (dir) => hostile(dir, (folder, file) => openSafetensors(fileSource(join(folder, file)))),
  },
  { matches: (system, name) => system === 'torch-bin' && name === 'safetensors-sharded', run: checkpoint },
];
