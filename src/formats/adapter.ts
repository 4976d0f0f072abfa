// A folder with what a training run changed: LoRA factors, tensors trained whole beside them, or a projector alone; laid over its base.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { openFirst, openProjector } from './checkpoint.ts';
import { joined } from './joined.ts';
import { isObject, parseJson } from './json.ts';
import { type AddProduct, type LoraConfig, type LoraPair, mergedLora } from './lora.ts';
import { closeAll } from './places.ts';
import { renamed } from './renamed.ts';
import type { Folder } from './source.ts';
import type { TensorFiles, TensorInfo } from './tensors.ts';

const FACTORS = ['adapter_model.safetensors', 'adapter_model.bin'];
const TRAINED = ['non_lora_trainables.safetensors', 'non_lora_trainables.bin'];
const CONFIG = 'adapter_config.json';
const MAX_CONFIG = 1024 * 1024;

/** `model.layers.0.q_proj` of `base_model.model.model.layers.0.q_proj.lora_A.weight`, and which factor. */
const FACTOR = /^(?:base_model\.model\.)?(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?$/;

/**
 * Lays an adapter's folder over a base: LoRA factors are merged as the tensors are read, `non_lora_trainables` and a projector of its own replace the
 * base's tensors. Closing the result closes the base.
 * @param mapName what the base's names were mapped by, where they were; adapters have the names of the checkpoint they were trained on
 * @param addProduct adds the products of factors; default: a plain loop, many times slower than the kernels
 * @throws InputError where the folder has nothing of these; FormatError `structure` where it does not fit the base; UnsupportedError for DoRA and
 *   other methods than LoRA. The base stays open when it throws.
 */
export async function withAdapter(
  base: TensorFiles,
  folder: Folder,
  mapName: (name: string) => string = (name) => name,
  addProduct?: AddProduct,
): Promise<TensorFiles> {
  const opened: TensorFiles[] = [];
  const keep = (files: TensorFiles | undefined): TensorFiles | undefined => {
    if (files !== undefined) opened.push(files);
    return files;
  };
  try {
    const factors = keep(await openFirst(folder, FACTORS));
    const trained = keep(await openFirst(folder, TRAINED));
    const projector = keep(await openProjector(folder));
    if (factors === undefined && projector === undefined && trained === undefined) {
      throw new InputError(
        `${folder.name}: is no adapter: adapter_model.safetensors (or .bin), non_lora_trainables.bin or mm_projector.bin is expected`,
      );
    }
    // What was trained whole replaces the base's tensors, the first set that has one first; factors are added to the result.
    const sets: TensorFiles[] = [];
    if (trained !== undefined) sets.push(renamed(trained, trainedNames(trained, mapName)));
    if (projector !== undefined) sets.push(renamed(projector, mapName));
    if (factors === undefined) return joined([...sets, base]);
    const saved = renamed(factors, (name) => (name.includes('.lora_') ? null : mapName(savedName(name))));
    // The merged view closes the factors.
    const under = joined([...sets, { ...saved, close: async () => {} }, base]);
    return mergedLora(under, factors, readPairs(factors, mapName), await readConfig(folder), addProduct);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** `base_model.` is peft's; below it stands the class's own `model.`, once more than in a checkpoint when the class was wrapped. */
function trainedNames(files: TensorFiles, mapName: (name: string) => string): (name: string) => string {
  const inner = (name: string): string => (name.startsWith('base_model.') ? name.slice('base_model.'.length) : name);
  const isWrapped = [...files.tensors.keys()].some((name) => inner(name).startsWith('model.model.'));
  return (name) => mapName(isWrapped && inner(name).startsWith('model.') ? inner(name).slice('model.'.length) : inner(name));
}

/** Name of a module that peft saves whole beside the factors. */
function savedName(name: string): string {
  return name.replace(/^base_model\.model\./, '').replace(/\.modules_to_save(\.default)?(?=\.)/, '');
}

/** The factors of a set of tensors by the name of the weight they change, in pairs. Throws FormatError where one is missing or there is none. */
export function readPairs(factors: TensorFiles, mapName: (name: string) => string): Map<string, LoraPair> {
  const halves = new Map<string, { a?: TensorInfo; b?: TensorInfo; transposed: boolean }>();
  for (const info of factors.tensors.values()) {
    if (!info.name.includes('.lora_')) continue;
    const [, module, embedding, factor] = FACTOR.exec(info.name) ?? [];
    if (module === undefined)
      throw new UnsupportedError(
        `${factors.name}: ${info.name}: only plain LoRA is merged (no DoRA, no LoRA biases): merge the adapter in Python`,
      );
    const name = mapName(`${module}.weight`);
    const half = halves.get(name) ?? { transposed: embedding !== undefined };
    half[factor === 'A' ? 'a' : 'b'] = info;
    halves.set(name, half);
  }
  const pairs = new Map<string, LoraPair>();
  for (const [name, { a, b, transposed }] of halves) {
    if (a === undefined || b === undefined)
      throw new FormatError('structure', `${factors.name}: ${name}: lora_${a === undefined ? 'A' : 'B'} is missing`);
    pairs.set(name, { a, b, transposed });
  }
  if (pairs.size === 0) throw new FormatError('structure', `${factors.name}: has no LoRA factors`);
  return pairs;
}

async function readConfig(folder: Folder): Promise<LoraConfig> {
  const source = await folder.open(CONFIG);
  let json: unknown;
  try {
    if (source.size > MAX_CONFIG)
      throw new FormatError('limit', `${source.name}: got ${source.size} bytes, at most ${MAX_CONFIG} are expected`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0);
    json = parseJson(bytes, source.name);
  } finally {
    await source.close();
  }
  const where = source.name;
  if (!isObject(json)) throw new FormatError('structure', `${where}: an object is expected`);
  const { peft_type: method = 'LORA', lora_alpha: alpha, alpha_pattern: pattern } = json;
  if (method !== 'LORA') throw new UnsupportedError(`${where}: peft_type: got ${JSON.stringify(method)}, only LORA is merged`);
  if (json.use_dora === true) throw new UnsupportedError(`${where}: DoRA is not merged: merge the adapter in Python`);
  if (isObject(pattern) && Object.keys(pattern).length > 0)
    throw new UnsupportedError(`${where}: alpha_pattern: one lora_alpha for all modules is expected: merge the adapter in Python`);
  if (typeof alpha !== 'number' || !Number.isFinite(alpha))
    throw new FormatError('structure', `${where}: lora_alpha: got ${JSON.stringify(alpha)}, a number is expected`);
  return { alpha, fanInFanOut: json.fan_in_fan_out === true, rankStabilized: json.use_rslora === true };
}
