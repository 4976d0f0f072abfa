// A hub checkpoint as one GGUF file: language model, tower, projector, tokenizer, template. Keys and names are llama.cpp's where it has them;
// what it has none for (variants) keeps its own name, and the whole config goes along as JSON for our own reader:
//
//   pumice.config         config.json in canonical form
//   pumice.vision         the tower's config
//   pumice.preprocessor   preprocessor_config.json
//   pumice.layers         layers of the language model
//   pumice.tokenizer.legacy   sentencepiece: a text after an added token gets a prefix

import { FormatError } from '../errors.ts';
import { expertPlace } from '../formats/experts.ts';
import { clipGgufNames } from '../formats/ggufNames.ts';
import type { WriteValue } from '../formats/ggufWriter.ts';
import type { StorageType, TensorInfo } from '../formats/tensors.ts';
import { backboneOf } from '../models/backbones.ts';
import type { Checkpoint } from '../models/model.ts';
import { TOWER } from '../models/model.ts';
import { type GgufContent, inOrder, type Metadata, type OutTensor } from './content.ts';
import { inMix } from './fromGguf.ts';
import type { Importance } from './imatrix.ts';
import { isLeftOver, type LanguageTarget, languageKeys, languageTarget } from './language.ts';
import { isRouter, type Mix } from './mix.ts';
import { towerDepth, towerKeys } from './tower.ts';

export interface HubOptions {
  /** Undefined: matrices keep their types. */
  readonly mix?: Mix | undefined;
  readonly importance?: Importance | undefined;
  /** `tokenizer.*` keys. */
  readonly tokenizer?: readonly (readonly [string, WriteValue])[];
}

/** Everything that the checkpoint holds. Throws FormatError and UnsupportedError where it cannot be told in GGUF. */
export function hubContent(checkpoint: Checkpoint, options: HubOptions = {}): GgufContent {
  const { config, files, vision } = checkpoint;
  const backbone = backboneOf(config);
  const target = languageTarget(backbone);
  const clip = towerKeys(checkpoint);
  const metadata: Metadata = new Map<string, WriteValue>([
    ['general.architecture', { type: 'string', value: target.architecture }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: checkpoint.name.split(/[/\\]/).filter(Boolean).at(-1) ?? 'model' }],
    ['general.file_type', { type: 'u32', value: 0 }],
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ...languageKeys(target, backbone, config, files),
    ...clip,
    ...(options.tokenizer ?? []),
    ...(checkpoint.chatTemplate === undefined
      ? []
      : [['tokenizer.chat_template', { type: 'string', value: checkpoint.chatTemplate }] as [string, WriteValue]]),
    ['pumice.layers', { type: 'u32', value: backbone.layers }],
    ['pumice.config', json(config.values)],
    ...(vision
      ? ([
          ['pumice.vision', json(vision.config.values)],
          ['pumice.preprocessor', json(vision.preprocessor.values)],
        ] as [string, WriteValue][])
      : []),
  ]);

  const clipName = clip.length > 0 ? clipGgufNames() : () => null;
  const depth = clip.length > 0 && vision ? towerDepth(config, vision.config) : Infinity;
  const byName = new Map<string, { parts: TensorInfo[]; shape: readonly number[] }>();
  for (const info of files.tensors.values()) {
    if (isLeftOver(info.name) || isAbove(info.name, depth)) continue;
    const place = stackPlace(info.name, target);
    const name = place?.stack ?? target.nameOf(info.name) ?? clipName(info.name) ?? info.name;
    const entry = byName.get(name) ?? { parts: [], shape: info.shape };
    if (place) {
      entry.parts[place.at] = info;
      byName.set(name, { parts: entry.parts, shape: [entry.parts.length, ...info.shape] });
      continue;
    }
    if (entry.parts.length > 0)
      throw new FormatError('duplicate', `${files.name}: ${entry.parts[0]!.name} and ${info.name} both become ${name}`);
    entry.parts.push(info);
    byName.set(name, entry);
  }
  const tensors = [...byName].map(([name, { parts, shape }]): OutTensor => {
    const missing = parts.findIndex((part) => part?.shape.join() !== parts.at(-1)!.shape.join());
    if (missing >= 0)
      throw new FormatError(
        'structure',
        `${files.name}: ${name}: part ${missing} of ${parts.length}: got ${parts[missing] ? `[${parts[missing].shape}]` : 'no tensor'}, [${parts.at(-1)!.shape}] is expected`,
      );
    const interleave = target.heads(name);
    return { name, type: kept(name, parts[0]!.type, shape), shape, files, parts, ...(interleave === undefined ? {} : { interleave }) };
  });
  const content = { metadata, tensors: inOrder(tensors) };
  if (options.mix) return inMix(content, options.mix, backbone.layers, backbone.heads / backbone.kvHeads, options.importance);
  metadata.set('general.file_type', { type: 'u32', value: fileType(content.tensors) });
  return content;
}

const json = (values: unknown): WriteValue => ({ type: 'string', value: JSON.stringify(values) });

/** Where tensors of the hub are stacked in GGUF: norms of single heads, and experts. */
function stackPlace(name: string, { nameOf }: LanguageTarget): { readonly stack: string; readonly at: number } | undefined {
  const [, stem, head] = /^(.*_layernorm)\.norms\.(\d+)\.weight$/.exec(name) ?? [];
  const norms = stem === undefined ? null : nameOf(`${stem}.weight`);
  if (norms !== null) return { stack: norms, at: Number(head) };
  const place = expertPlace(name, nameOf);
  return place ? { stack: place.stack, at: place.expert } : undefined;
}

/** Vectors, routers and what scales experts are always f32, as llama.cpp wants them; floats of other widths too. */
function kept(name: string, type: StorageType, shape: readonly number[]): StorageType {
  if (type === 'f64' || shape.length < 2 || name.endsWith('.bias') || isRouter(name)) return 'f32';
  return type;
}

/** Layers of the tower above the selected one, and the norm after them. */
function isAbove(name: string, depth: number): boolean {
  if (depth === Infinity || !name.startsWith(`${TOWER}.`)) return false;
  const rest = name.slice(TOWER.length + 1);
  const [, index] = /^encoder\.layers\.(\d+)\./.exec(rest) ?? [];
  return index === undefined ? rest.startsWith('post_layernorm.') : Number(index) >= depth;
}

/** `general.file_type` of the type that most matrices of the language model have. */
function fileType(tensors: readonly OutTensor[]): number {
  const types = new Map<StorageType, number>();
  for (const t of tensors) if (t.name.startsWith('blk.') && t.shape.length > 1) types.set(t.type, (types.get(t.type) ?? 0) + 1);
  const [most] = [...types].sort((a, b) => b[1] - a[1])[0] ?? ['f32'];
  return { f16: 1, bf16: 32 }[most as string] ?? 0;
}
