// New files out of GGUF files: other types (`quantize`), a pair as one, one as a pair.

import { FormatError, InputError } from '../errors.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { ggufTextConfig, hasTower } from '../formats/ggufConfig.ts';
import type { StorageType } from '../formats/tensors.ts';
import type { GgufContent, Metadata, OutTensor } from './content.ts';
import type { Importance } from './imatrix.ts';
import { isRouter, type Mix, typeInMix, typeInTower } from './mix.ts';

/** Facts of one file that a new one does not share. */
const OWN_FACTS = /^(general\.alignment|split\.)/;

/** The file as it is: with `mmproj`, both in one. */
export function ggufContent(model: GgufFile, mmproj?: GgufFile): GgufContent {
  if (mmproj !== undefined && hasTower(model)) throw new InputError(`${model.name}: has a tower already: no projector file is needed`);
  if (mmproj !== undefined && !hasTower(mmproj))
    throw new InputError(`${mmproj.name}: has no vision tower: a projector file (mmproj) is expected`);
  const metadata: Metadata = new Map([...model.metadata].filter(([key]) => !OWN_FACTS.test(key)));
  const tensors: OutTensor[] = [];
  for (const file of mmproj === undefined ? [model] : [model, mmproj]) {
    for (const info of file.tensors.values())
      tensors.push({ name: info.name, type: info.type, shape: info.shape, files: file, parts: [info] });
  }
  for (const [key, value] of mmproj?.metadata ?? []) if (key.startsWith('clip.')) metadata.set(key, value);
  return { metadata, tensors };
}

const isTower = (name: string): boolean => /^(v|mm)\./.test(name) || name === 'model.image_newline';

/**
 * One file's content as a llama.cpp pair: language model, projector file.
 * @throws InputError where there is no tower, or where tensors have no place in such a pair (variants)
 */
export function asPair({ metadata, tensors }: GgufContent, where: string): { model: GgufContent; mmproj: GgufContent } {
  const tower = tensors.filter((t) => isTower(t.name));
  const language = tensors.filter((t) => !isTower(t.name));
  const odd = tensors.find(
    (t) =>
      (/^(model|transformer)\./.test(t.name) && t.name !== 'model.image_newline') || (isRouter(t.name) && metadata.has('pumice.config')),
  );
  if (odd) throw new InputError(`${where}: ${odd.name}: a llama.cpp pair has no place for it: write one file instead`);
  if (tower.length === 0) throw new InputError(`${where}: has no tower: nothing to write to a projector file`);
  const own: Metadata = new Map([...metadata].filter(([key]) => !key.startsWith('clip.') && !key.startsWith('pumice.')));
  const type = metadata.get('general.file_type');
  const projector: Metadata = new Map([
    ['general.architecture', { type: 'string', value: 'clip' }],
    ['general.type', { type: 'string', value: 'mmproj' }],
    ...[...metadata].filter(([key]) => key === 'general.name' || key === 'general.quantization_version' || key.startsWith('clip.')),
    ...(type === undefined ? [] : [['general.file_type', type] as const]),
  ]);
  return { model: { metadata: own, tensors: language }, mmproj: { metadata: projector, tensors: tower } };
}

/**
 * The content in other types. Matrices that are quantized already lose once more.
 * @throws FormatError `structure` where the importance is not that of these tensors
 */
export function inMix(content: GgufContent, mix: Mix, layers: number, groups: number, importance?: Importance): GgufContent {
  const names = new Set(content.tensors.map((t) => t.name));
  const context = { layers, groups, tied: !names.has('output.weight'), weighted: importance !== undefined };
  const tensors = content.tensors.map((t): OutTensor => {
    const type = typeInMix(mix, t.name, t.shape, t.parts[0]!.type, context);
    const weights = ['token_embd.weight', 'output.weight'].includes(t.name) ? undefined : importance?.get(t.name);
    const columns = t.shape.at(-1)! * (t.shape.length === 3 ? t.shape[0]! : 1);
    if (weights !== undefined && weights.length !== columns)
      throw new FormatError(
        'structure',
        `imatrix: ${t.name}: got ${weights.length} columns, ${columns} are expected: is it of another model?`,
      );
    return { ...t, type, ...(weights ? { importance: weights } : {}) };
  });
  const metadata: Metadata = new Map(content.metadata);
  metadata.set('general.file_type', { type: 'u32', value: mix.ftype });
  metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  return { metadata, tensors };
}

/** The content with the matrices of tower and projector in another type. */
export const withTower = ({ metadata, tensors }: GgufContent, type: StorageType): GgufContent => ({
  metadata,
  tensors: tensors.map((t) => ({ ...t, type: typeInTower(type, t.name, t.shape, t.type) })),
});

/** The whole model in another mix. */
export function requantized(model: GgufFile, mix: Mix, importance?: Importance): GgufContent {
  const content = ggufContent(model);
  const own = model.metadata.has('general.architecture') && model.meta.string('general.architecture');
  if (own === 'clip' || own === 'pumice') return inMix(content, mix, model.meta.u32('pumice.layers', 0), 1, importance);
  const text = ggufTextConfig(model);
  return inMix(content, mix, text.num_hidden_layers, text.num_attention_heads / text.num_key_value_heads, importance);
}
