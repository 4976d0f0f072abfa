// From GGUF metadata to configs with the keys of config.json, so that a model file reads one kind of config.

import { FormatError, UnsupportedError } from '../errors.ts';
import type { GgufFile } from './gguf.ts';
import type { GgufMetadata } from './ggufMetadata.ts';

/** What sets an architecture of language models apart, as far as metadata go. */
interface Architecture {
  readonly norm: 'rms' | 'layer';
  /** Which values rope turns together: (2j, 2j+1) or (j, j + n/2). */
  readonly pairing: 'interleaved' | 'half';
}

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map<string, Architecture>([
  ['llama', { norm: 'rms', pairing: 'interleaved' }],
  ['qwen', { norm: 'rms', pairing: 'half' }],
  ['qwen2', { norm: 'rms', pairing: 'half' }],
  ['phi2', { norm: 'layer', pairing: 'half' }],
  ['stablelm', { norm: 'layer', pairing: 'half' }],
]);

/** Rope scaling as in config.json: positions are divided by `factor` (linear), or the named scheme is applied. */
export interface GgufRopeScaling {
  readonly rope_type: string;
  readonly factor: number;
  readonly original_max_position_embeddings?: number;
  readonly attention_factor?: number;
}

/** Config of a language model. Keys of config.json where it has them. */
export interface GgufTextConfig {
  /** `general.architecture`. */
  readonly architecture: string;
  readonly hidden_size: number;
  /** As config.json has it: of qwen (v1) twice the width of the tensors. */
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  /** Of RMS norms, otherwise `null`. */
  readonly rms_norm_eps: number | null;
  /** Of layer norms, otherwise `null`. */
  readonly layer_norm_eps: number | null;
  readonly rope_theta: number;
  readonly rope_scaling: GgufRopeScaling | null;
  /** Share of head_dim that rope turns. */
  readonly partial_rotary_factor: number;
  readonly rope_pairing: 'interleaved' | 'half';
  /** Whether the file holds `rope_freqs.weight`, by which the inverse frequencies are divided. */
  readonly rope_freqs: boolean;
  /** Rows of the embedding table; may exceed `token_count`. */
  readonly vocab_size: number;
  /** Tokens that the tokenizer has; ids from here on must never be sampled. */
  readonly token_count: number;
  readonly max_position_embeddings: number;
  readonly sliding_window: number | null;
  readonly tie_word_embeddings: boolean;
}

/** Config of a CLIP tower with its projector. Keys of the tower's config.json, then those of LLaVA's. */
export interface GgufVisionConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  /** The layers that the file holds. LLaVA's selected layer is the last of them: all are run, without a final norm. */
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly image_size: number;
  readonly patch_size: number;
  readonly layer_norm_eps: number;
  readonly hidden_act: 'quick_gelu' | 'gelu' | 'silu';
  readonly image_mean: readonly [number, number, number];
  readonly image_std: readonly [number, number, number];
  /** Hidden state that is the tower's output: 0 is the embeddings, so this is `num_hidden_layers`. */
  readonly select_layer: number;
  /** Hidden states to be concatenated where the file names them, otherwise `null`. */
  readonly feature_layers: readonly number[] | null;
  /** `mlp`, `mlp_norm`, `ldp`, `ldpv2`, `resampler`, ... */
  readonly projector_type: string;
  /** Width of the image tokens: must be the language model's hidden_size. `null` for projectors other than MLPs. */
  readonly projector_width: number | null;
  /** [width, height] pairs of LLaVA-1.6, `null` for LLaVA-1.5. */
  readonly image_grid_pinpoints: readonly (readonly [number, number])[] | null;
  readonly image_aspect_ratio: string | null;
  readonly mm_patch_merge_type: string | null;
  readonly image_crop_resolution: number | null;
}

/**
 * `general.architecture`, checked to be one that we know (`clip` for projector files).
 * @throws FormatError `missing_key`, `bad_type`; UnsupportedError for others, by name
 */
export function ggufArchitecture(file: GgufFile): string {
  const architecture = file.meta.string('general.architecture');
  if (architecture !== 'clip' && !ARCHITECTURES.has(architecture)) {
    throw new UnsupportedError(
      `${file.name}: got the architecture ${architecture}, one of ${[...ARCHITECTURES.keys(), 'clip'].join(', ')} is expected`,
    );
  }
  return architecture;
}

/**
 * Config of a language model file.
 * @throws FormatError `missing_key`, `bad_type`, `structure`; UnsupportedError for other architectures, projector files, and sizes that differ from layer to layer
 */
export function ggufTextConfig(file: GgufFile): GgufTextConfig {
  const { meta, name } = file;
  const architecture = ggufArchitecture(file);
  const known = ARCHITECTURES.get(architecture);
  if (known === undefined) throw new UnsupportedError(`${name}: this is a projector file (mmproj): a language model is expected here`);
  const key = (rest: string): string => `${architecture}.${rest}`;

  const hidden = positive(file, key('embedding_length'), meta.u32(key('embedding_length')));
  const heads = positive(file, key('attention.head_count'), oneForAllLayers(file, key('attention.head_count')));
  const headDim = positive(file, key('attention.key_length'), meta.u32(key('attention.key_length'), hidden / heads));
  const valueDim = meta.u32(key('attention.value_length'), headDim);
  if (valueDim !== headDim)
    throw new UnsupportedError(`${name}: values of ${valueDim} per head and keys of ${headDim}: equal widths are expected`);
  const tokens = meta.has('tokenizer.ggml.tokens') ? meta.array('tokenizer.ggml.tokens').items.length : null;
  const vocab = file.tensors.get('token_embd.weight')?.shape[0] ?? (meta.has(key('vocab_size')) ? meta.u32(key('vocab_size')) : tokens);
  if (vocab === null)
    throw new FormatError(
      'missing_key',
      `${name}: no size of the vocabulary: token_embd.weight, ${key('vocab_size')} or a token list is expected`,
    );
  return {
    architecture,
    hidden_size: hidden,
    intermediate_size: oneForAllLayers(file, key('feed_forward_length')),
    num_hidden_layers: meta.u32(key('block_count')),
    num_attention_heads: heads,
    num_key_value_heads: positive(file, key('attention.head_count_kv'), oneForAllLayers(file, key('attention.head_count_kv'), heads)),
    head_dim: headDim,
    rms_norm_eps: known.norm === 'rms' ? meta.f32(key('attention.layer_norm_rms_epsilon')) : null,
    layer_norm_eps: known.norm === 'layer' ? meta.f32(key('attention.layer_norm_epsilon')) : null,
    rope_theta: meta.f32(key('rope.freq_base'), 10000),
    rope_scaling: ropeScaling(meta, architecture),
    partial_rotary_factor: meta.u32(key('rope.dimension_count'), headDim) / headDim,
    rope_pairing: known.pairing,
    rope_freqs: file.tensors.has('rope_freqs.weight'),
    vocab_size: vocab,
    token_count: Math.min(tokens ?? vocab, vocab),
    max_position_embeddings: meta.u32(key('context_length')),
    sliding_window: meta.u32(key('attention.sliding_window'), 0) || null,
    tie_word_embeddings: !file.tensors.has('output.weight'),
  };
}

/** Whether the file holds a vision tower: a projector file, or a model with everything in one file. */
export const hasTower = (file: GgufFile): boolean => file.tensors.has('v.class_embd') || file.tensors.has('v.patch_embd.weight');

/**
 * Config of the CLIP tower and projector in a file.
 * @throws FormatError `missing_key`, `bad_type`, `structure`; UnsupportedError for files without a vision tower
 */
export function ggufVisionConfig(file: GgufFile): GgufVisionConfig {
  const { meta, name } = file;
  if (!hasTower(file))
    throw new UnsupportedError(
      `${name}: has no vision tower: a projector file (mmproj), or a model that holds its tower, is expected here`,
    );
  if (!meta.bool('clip.has_vision_encoder', true)) throw new UnsupportedError(`${name}: the projector file has no vision tower`);
  const vision = (rest: string): string => `clip.vision.${rest}`;
  const optional = (key: string): string | null => (meta.has(key) ? meta.string(key) : null);

  const layers = storedLayers(file);
  const pinpoints = meta.numbers(vision('image_grid_pinpoints'), []);
  if (pinpoints.length % 2 !== 0)
    throw new FormatError('structure', `${name}: got ${pinpoints.length} numbers of grid pinpoints, pairs are expected`);
  const features = meta.has(vision('feature_layer')) ? meta.numbers(vision('feature_layer')) : null;
  const projector = projectorType(file);
  const last = projector === 'mlp' ? 'mm.2' : projector === 'mlp_norm' ? 'mm.3' : null;
  return {
    hidden_size: positive(file, vision('embedding_length'), meta.u32(vision('embedding_length'))),
    intermediate_size: meta.u32(vision('feed_forward_length')),
    num_hidden_layers: layers,
    num_attention_heads: positive(file, vision('attention.head_count'), meta.u32(vision('attention.head_count'))),
    image_size: positive(file, vision('image_size'), meta.u32(vision('image_size'))),
    patch_size: positive(file, vision('patch_size'), meta.u32(vision('patch_size'))),
    layer_norm_eps: meta.f32(vision('attention.layer_norm_epsilon')),
    hidden_act: meta.bool('clip.use_silu', false) ? 'silu' : meta.bool('clip.use_gelu', false) ? 'gelu' : 'quick_gelu',
    image_mean: threeNumbers(file, vision('image_mean')),
    image_std: threeNumbers(file, vision('image_std')),
    select_layer: layers,
    feature_layers: features,
    projector_type: projector,
    projector_width: last === null ? null : (file.tensors.get(`${last}.weight`)?.shape[0] ?? null),
    image_grid_pinpoints: pinpoints.length === 0 ? null : pairs(pinpoints),
    image_aspect_ratio: optional(vision('image_aspect_ratio')),
    mm_patch_merge_type: optional(vision('mm_patch_merge_type')),
    image_crop_resolution: meta.has(vision('image_crop_resolution')) ? meta.u32(vision('image_crop_resolution')) : null,
  };
}

/** The layers in the file, which must be 0..n-1. The tensors decide: block_count means one layer more or less from converter to converter. */
function storedLayers(file: GgufFile): number {
  const layers = new Set<number>();
  for (const name of file.tensors.keys()) {
    const match = /^v\.blk\.(\d+)\./.exec(name);
    if (match !== null) layers.add(Number(match[1]));
  }
  for (let i = 0; i < layers.size; i++) {
    if (!layers.has(i))
      throw new FormatError('structure', `${file.name}: the vision tower has ${layers.size} layers, but none with number ${i}`);
  }
  return layers.size === 0 ? file.meta.u32('clip.vision.block_count') : layers.size;
}

/** Files of 2023 do not say it: they are plain MLPs, or with layer norms where mm.3 exists. */
function projectorType(file: GgufFile): string {
  const type = file.meta.string('clip.vision.projector_type', file.meta.string('clip.projector_type', 'mlp'));
  return type === 'mlp' && file.tensors.has('mm.3.weight') ? 'mlp_norm' : type;
}

function ropeScaling(meta: GgufMetadata, architecture: string): GgufRopeScaling | null {
  const key = (rest: string): string => `${architecture}.rope.scaling.${rest}`;
  const type = meta.string(key('type'), 'linear');
  const factor = meta.f32(key('factor'), meta.f32(`${architecture}.rope.scale_linear`, 1));
  if (type === 'none' || (type === 'linear' && (factor === 1 || factor === 0))) return null;
  return {
    rope_type: type,
    factor,
    ...(meta.has(key('original_context_length')) && { original_max_position_embeddings: meta.u32(key('original_context_length')) }),
    // llama.cpp multiplies YaRN's own factor by it, config.json replaces it.
    ...(meta.has(key('attn_factor')) && {
      attention_factor: meta.f32(key('attn_factor')) * (type === 'yarn' ? 0.1 * Math.log(factor) + 1 : 1),
    }),
  };
}

/** A number that may be stored as an array with one entry per layer. */
function oneForAllLayers(file: GgufFile, key: string, fallback?: number): number {
  if (file.metadata.get(key)?.type !== 'array') return file.meta.u32(key, fallback);
  const values = new Set(file.meta.numbers(key));
  const [value] = values;
  if (value === undefined) throw new FormatError('structure', `${file.name}: metadata key ${key}: the array is empty`);
  if (values.size > 1)
    throw new UnsupportedError(
      `${file.name}: metadata key ${key} differs from layer to layer (${[...values].join(', ')}): models with one value are supported`,
    );
  return value;
}

function positive(file: GgufFile, key: string, value: number): number {
  if (!Number.isInteger(value) || value <= 0)
    throw new FormatError('structure', `${file.name}: metadata key ${key}: got ${value}, a whole number above 0 is expected`);
  return value;
}

function threeNumbers(file: GgufFile, key: string): readonly [number, number, number] {
  const values = file.meta.numbers(key);
  if (values.length !== 3)
    throw new FormatError(
      'structure',
      `${file.name}: metadata key ${key}: got ${values.length} numbers, one for each of red, green and blue is expected`,
    );
  return values as unknown as readonly [number, number, number];
}

function pairs(values: readonly number[]): [number, number][] {
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!]);
}
