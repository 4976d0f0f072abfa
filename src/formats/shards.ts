// Checkpoints in several files with an index. safetensors' and torch's indexes have the same form.

import { FormatError, InputError } from '../errors.ts';
import { isObject, parseJson } from './json.ts';
import { closeAll } from './places.ts';
import type { ByteSource, Folder } from './source.ts';
import type { TensorFiles, TensorInfo } from './tensors.ts';

/** An index of a thousand shards stays below this. */
const MAX_INDEX = 64 * 1024 * 1024;

/**
 * Opens the shards that an index names, each by `open`, as one set of tensors. Names in shards that the index lacks are left out.
 * @throws FormatError `traversal` for a shard name that is not a plain file name, `structure` for a name that its shard lacks,
 *   `missing` for an absent shard, and everything that `open` throws
 */
export async function openShards<T extends TensorFiles>(
  folder: Folder,
  indexFile: string,
  open: (source: ByteSource) => Promise<T>,
): Promise<{ files: TensorFiles; shards: readonly T[] }> {
  const index = await readShardIndex(folder, indexFile);
  const shards = new Map<string, T>();
  try {
    for (const file of new Set(index.values())) shards.set(file, await open(await openShard(folder, file, indexFile)));
    const tensors = new Map<string, TensorInfo>();
    for (const [name, file] of index) {
      const info = shards.get(file)!.tensors.get(name);
      if (info === undefined)
        throw new FormatError('structure', `${folder.name}/${indexFile}: ${name} should be in ${file}: the shard has no such tensor`);
      tensors.set(name, info);
    }
    const files: TensorFiles = {
      name: folder.name,
      tensors,
      async readInto(tensor, target, from) {
        const shard = shards.get(index.get(tensor.name) ?? '');
        if (shard === undefined) throw new InputError(`${folder.name}: there is no tensor ${tensor.name}`);
        await shard.readInto(tensor, target, from);
      },
      close: () => closeAll([...shards.values()]),
    };
    return { files, shards: [...shards.values()] };
  } catch (error) {
    await closeAll([...shards.values()]);
    throw error;
  }
}

/**
 * Reads the weight map of an index file: tensor name -> plain file name.
 * @throws FormatError `format`, `duplicate`, `limit`, `structure`, `traversal`
 */
export async function readShardIndex(folder: Folder, indexFile: string): Promise<Map<string, string>> {
  const source = await folder.open(indexFile);
  let json: unknown;
  try {
    if (source.size > MAX_INDEX)
      throw new FormatError('limit', `${source.name}: got ${source.size} bytes, at most ${MAX_INDEX} are expected of an index`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0);
    json = parseJson(bytes, source.name);
  } finally {
    await source.close();
  }
  const map = isObject(json) ? json.weight_map : undefined;
  if (!isObject(map))
    throw new FormatError('structure', `${source.name}: no weight_map: an object from tensor names to file names is expected`);
  const result = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string')
      throw new FormatError('structure', `${source.name}: ${name}: got ${JSON.stringify(file)}, a file name is expected`);
    if (!isPlainName(file))
      throw new FormatError('traversal', `${source.name}: ${name}: got ${JSON.stringify(file)}, a file in the same folder is expected`);
    result.set(name, file);
  }
  return result;
}

/** A name without any path in it, on any system. */
function isPlainName(file: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return file !== '' && file !== '.' && !file.includes('..') && !/[/\\:\u0000-\u001f]/.test(file);
}

async function openShard(folder: Folder, file: string, indexFile: string): Promise<ByteSource> {
  try {
    return await folder.open(file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new FormatError(
      'missing',
      `${folder.name}/${indexFile}: the shard ${file} is missing: download it beside the index (${error.message})`,
      { cause: error },
    );
  }
}
