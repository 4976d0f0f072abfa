// `pumice convert` and `pumice quantize`: GGUF files out of hub directories, pairs, and GGUF files of other types.

import { rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { GgufContent } from '../convert/content.ts';
import { asPair, ggufContent, requantized, withTower } from '../convert/fromGguf.ts';
import { hubContent } from '../convert/fromHub.ts';
import { readImatrix } from '../convert/imatrix.ts';
import { mixOf } from '../convert/mix.ts';
import { packedContent } from '../convert/packed.ts';
import { ggufStream } from '../convert/write.ts';
import { InputError } from '../errors.ts';
import { type GgufFile, openGguf, openGgufParts } from '../formats/gguf.ts';
import { backboneOf } from '../models/backbones.ts';
import { openGgufPair } from '../models/ggufLayout.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import { PACKED_KEY } from '../models/packedLayout.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource, folderAndFile, localFolder } from '../runtime/nodeFiles.ts';
import { addProduct } from '../runtime/products.ts';
import { ggufTokenizer } from '../tokenizer/toGguf.ts';
import { writeWhole } from './writeFile.ts';

export interface ConvertOptions {
  /** Writes a llama.cpp pair: this is the projector file. */
  readonly mmproj?: string;
  /** Projector file of the input, where that is a pair. */
  readonly inMmproj?: string;
  readonly tower?: string;
  readonly adapter?: string;
  readonly type?: string;
  /** Type of the matrices of tower and projector. */
  readonly towerType?: string;
  readonly imatrix?: string;
  readonly packed?: boolean;
}

/** Writes `output` (and the projector file) from a hub directory or GGUF files. */
export async function convert(input: string, output: string, options: ConvertOptions): Promise<void> {
  const isFolder = (await stat(input).catch(() => undefined))?.isDirectory() ?? false;
  const { content: read, close } = isFolder ? await fromFolder(input, options) : await fromFiles(input, options);
  try {
    const content = inTower(read, options.towerType);
    if (options.packed && options.mmproj !== undefined)
      throw new InputError('packed: llama.cpp cannot read it: leave --mmproj or --packed out');
    if (options.packed) return await writePacked(content, output, input);
    if (options.mmproj === undefined) return await write(content, output);
    const pair = asPair(content, input);
    await write(pair.model, output);
    await write(pair.mmproj, options.mmproj);
  } finally {
    await close();
  }
}

/** Writes the model in another type. */
export async function quantize(
  input: string,
  output: string,
  { type, towerType, imatrix, packed }: { type: string; towerType?: string; imatrix?: string; packed?: boolean },
): Promise<void> {
  const mix = mixOf(type);
  const importance = imatrix === undefined ? undefined : await readImatrix(fileSource(imatrix));
  const file = await openModel(input);
  try {
    const content = inTower(requantized(file, mix, importance), towerType);
    await (packed ? writePacked(content, output, input) : write(content, output));
  } finally {
    await file.close();
  }
}

const inTower = (content: GgufContent, type?: string): GgufContent => (type === undefined ? content : withTower(content, mixOf(type).base));

interface Input {
  readonly content: GgufContent;
  close(): Promise<void>;
}

async function fromFolder(input: string, o: ConvertOptions): Promise<Input> {
  if (o.inMmproj !== undefined) throw new InputError(`${input}: is a directory: in-mmproj belongs to a GGUF file`);
  const folder = localFolder(input);
  const checkpoint = await openHubFolder(folder, {
    addProduct: addProduct(nodePlatform),
    ...(o.tower === undefined ? {} : { tower: localFolder(o.tower) }),
    ...(o.adapter === undefined ? {} : { adapter: localFolder(o.adapter) }),
  });
  try {
    const importance = o.imatrix === undefined ? undefined : await readImatrix(fileSource(o.imatrix));
    const tokenizer = await ggufTokenizer(folder, backboneOf(checkpoint.config).vocabulary);
    const content = hubContent(checkpoint, { tokenizer, importance, ...(o.type === undefined ? {} : { mix: mixOf(o.type) }) });
    return { content, close: () => checkpoint.files.close() };
  } catch (error) {
    await checkpoint.files.close();
    throw error;
  }
}

async function fromFiles(input: string, o: ConvertOptions): Promise<Input> {
  if (o.type !== undefined || o.towerType !== undefined || o.imatrix !== undefined)
    throw new InputError(`${input}: is a GGUF file: its types are changed by \`pumice quantize\``);
  const model = await openModel(input);
  const mmproj = o.inMmproj === undefined ? undefined : await openModel(o.inMmproj);
  const close = async () => {
    await model.close();
    await mmproj?.close();
  };
  try {
    return { content: ggufContent(model, mmproj), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openModel(path: string): Promise<GgufFile> {
  const { folder, file } = folderAndFile(path);
  const model = /-\d{5}-of-\d{5}\.gguf$/.test(path) ? await openGgufParts(folder, file) : await openGguf(fileSource(path));
  if (!model.metadata.has(PACKED_KEY)) return model;
  await model.close();
  throw new InputError(`${path}: is packed already: give the plain file that it was made of`);
}

/** By way of the plain file, which goes away again: what is packed is what would be read. */
async function writePacked(content: GgufContent, path: string, input: string): Promise<void> {
  const plain = `${path}.plain`;
  try {
    await write(content, plain, true);
    const file = await openGguf(fileSource(plain));
    const checkpoint = openGgufPair(file);
    try {
      const name = checkpoint.name === plain ? basename(input) : checkpoint.name;
      const packed = await packedContent(nodePlatform, { ...checkpoint, name }, file.metadata);
      await write(packed.content, path).finally(packed.close);
    } finally {
      await checkpoint.files.close();
    }
  } finally {
    await rm(plain, { force: true });
  }
}

/** Writes the file; says so unless it is only `passing`. */
async function write(content: GgufContent, path: string, passing = false): Promise<void> {
  const stream = ggufStream(content, nodePlatform);
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  try {
    await writeWhole({ path, bytes: stream.bytes, pieces: () => stream.pieces() }, 'write', controller.signal);
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
  if (!passing) process.stdout.write(`${path}: ${(stream.bytes / 2 ** 20).toFixed(1)} MiB, ${content.tensors.length} tensors\n`);
}
