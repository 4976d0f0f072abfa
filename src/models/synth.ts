// Checkpoints of the exact shapes of known models with random weights: for measuring, not for answers.

import { InputError } from '../errors.ts';
import { ggufHead, padding, tensorBytes, type WriteTensor, type WriteValue } from '../formats/ggufWriter.ts';
import { f32ToF16 } from '../formats/half.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';
import type { Json } from './config.ts';
import { dynamicVariant } from './synthPredictors.ts';
import { MQT_VARIANT, type SynthVariant, UHD_PAPER_VARIANT, UHD_VARIANT } from './synthResamplers.ts';

export interface LanguageShape {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly context: number;
  /** With it the file also holds a tower and its projector. */
  readonly tower?: TowerShape;
  /** The projector, where it is not LLaVA-1.5's MLP. */
  readonly variant?: SynthVariant;
}

export interface TowerShape {
  readonly hidden: number;
  readonly intermediate: number;
  /** Layers that LLaVA runs. */
  readonly layers: number;
  readonly heads: number;
  readonly imageSize: number;
  readonly patch: number;
}

const CLIP_L_336: TowerShape = { hidden: 1024, intermediate: 4096, layers: 23, heads: 16, imageSize: 336, patch: 14 };

const vicuna = (hidden: number, intermediate: number, layers: number, heads: number): LanguageShape => ({
  hidden,
  intermediate,
  layers,
  heads,
  kvHeads: heads,
  vocabulary: 32000,
  context: 4096,
});

const VICUNA_7B = vicuna(4096, 11008, 32, 32);
const VICUNA_13B = vicuna(5120, 13824, 40, 40);

/** Models by name: language models, and LLaVAs in one file. `overhead` is the smallest that runs: what is left is the executor's own cost. */
export const SHAPES: ReadonlyMap<string, LanguageShape> = new Map([
  ['overhead', { hidden: 64, intermediate: 192, layers: 2, heads: 2, kvHeads: 2, vocabulary: 320, context: 512 }],
  ['llama-1.1b', { hidden: 2048, intermediate: 5632, layers: 22, heads: 32, kvHeads: 4, vocabulary: 32000, context: 2048 }],
  ['vicuna-7b', VICUNA_7B],
  ['vicuna-13b', VICUNA_13B],
  ['llava-1.5-7b', { ...VICUNA_7B, tower: CLIP_L_336 }],
  ['llava-1.5-13b', { ...VICUNA_13B, tower: CLIP_L_336 }],
  ['mqt-llava-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: MQT_VARIANT }],
  ['dynamic-llava-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: dynamicVariant(2) }],
  // The same share of layers at half the depth.
  ['dynamic-llava-7b-half', { ...VICUNA_7B, layers: 16, tower: CLIP_L_336, variant: dynamicVariant(1) }],
  ['llava-uhd-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: UHD_VARIANT }],
  ['llava-uhd-13b', { ...VICUNA_13B, tower: CLIP_L_336, variant: UHD_VARIANT }],
  ['llava-uhd-paper-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: UHD_PAPER_VARIANT }],
  ['llava-uhd-paper-13b', { ...VICUNA_13B, tower: CLIP_L_336, variant: UHD_PAPER_VARIANT }],
]);

/** A file as pieces to be written one after the other. */
export interface SynthFile {
  readonly bytes: number;
  pieces(): Generator<Uint8Array>;
}

/** A GGUF model of architecture llama; matrices of the language model in `type`, of tower and projector in `towerType`, norms f32. Random, the same for the same name. */
export function synthModel(name: string, type: StorageType, towerType: StorageType = 'f16'): SynthFile {
  const s = SHAPES.get(name);
  if (!s) throw new InputError(`synth: unknown shape ${name}: known are ${[...SHAPES.keys()].join(', ')}`);
  const kv = (s.hidden / s.heads) * s.kvHeads;
  const tensors: WriteTensor[] = [{ name: 'token_embd.weight', type, shape: [s.vocabulary, s.hidden] }];
  for (let i = 0; i < s.layers; i++) {
    const at = (n: string, t: StorageType, ...shape: number[]) => tensors.push({ name: `blk.${i}.${n}.weight`, type: t, shape });
    at('attn_norm', 'f32', s.hidden);
    at('attn_q', type, s.hidden, s.hidden);
    at('attn_k', type, kv, s.hidden);
    at('attn_v', type, kv, s.hidden);
    at('attn_output', type, s.hidden, s.hidden);
    at('ffn_norm', 'f32', s.hidden);
    at('ffn_gate', type, s.intermediate, s.hidden);
    at('ffn_up', type, s.intermediate, s.hidden);
    at('ffn_down', type, s.hidden, s.intermediate);
  }
  tensors.push(
    { name: 'output_norm.weight', type: 'f32', shape: [s.hidden] },
    { name: 'output.weight', type, shape: [s.vocabulary, s.hidden] },
  );
  if (s.tower) {
    tensors.push(...towerTensors(s.tower, towerType));
    if (!s.variant || s.variant.keepsMlp) tensors.push(...mlpTensors(s.tower.hidden, s.hidden, towerType));
    if (s.variant) tensors.push(...s.variant.tensors(s.hidden, s.tower.hidden, towerType));
  }
  const { head, bytes } = ggufHead(metadata(name, s), tensors);
  return {
    bytes: head.length + bytes.reduce((n, b) => n + b + padding(b), 0),
    *pieces() {
      yield head;
      const pools = new Map<StorageType, Uint8Array>();
      for (const [i, t] of tensors.entries()) {
        if (!pools.has(t.type)) pools.set(t.type, pool(t.type));
        yield* repeat(pools.get(t.type)!, tensorBytes(t));
        yield new Uint8Array(padding(bytes[i]!));
      }
    },
  };
}

function metadata(name: string, s: LanguageShape): Map<string, WriteValue> {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  const pieces = vocabulary(s.vocabulary);
  return new Map<string, WriteValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: `${name} (random)` }],
    ['llama.context_length', u32(s.context)],
    ['llama.embedding_length', u32(s.hidden)],
    ['llama.block_count', u32(s.layers)],
    ['llama.feed_forward_length', u32(s.intermediate)],
    ['llama.attention.head_count', u32(s.heads)],
    ['llama.attention.head_count_kv', u32(s.kvHeads)],
    ['llama.rope.dimension_count', u32(s.hidden / s.heads)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
    ['llama.vocab_size', u32(s.vocabulary)],
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.tokens', { type: 'strings', value: pieces }],
    ['tokenizer.ggml.scores', { type: 'f32s', value: pieces.map((_, i) => (i < 259 ? 0 : 259 - i)) }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: pieces.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)) }],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
    ...(s.tower ? towerMetadata(s.tower) : []),
    ...(s.tower && s.variant ? ownMetadata(s, s.tower, s.variant) : []),
  ]);
}

function towerTensors(t: TowerShape, type: StorageType): WriteTensor[] {
  const tensors: WriteTensor[] = [];
  const norm = (name: string) => {
    for (const part of ['weight', 'bias']) tensors.push({ name: `${name}.${part}`, type: 'f32', shape: [t.hidden] });
  };
  const patches = Math.floor(t.imageSize / t.patch) ** 2;
  tensors.push(
    { name: 'v.class_embd', type: 'f32', shape: [t.hidden] },
    { name: 'v.patch_embd.weight', type: 'f16', shape: [t.hidden, 3, t.patch, t.patch] },
    { name: 'v.position_embd.weight', type: 'f32', shape: [patches + 1, t.hidden] },
  );
  norm('v.pre_ln');
  for (let i = 0; i < t.layers; i++) {
    for (const n of ['attn_q', 'attn_k', 'attn_v', 'attn_out']) tensors.push(...layer(`v.blk.${i}.${n}`, type, t.hidden, t.hidden));
    norm(`v.blk.${i}.ln1`);
    norm(`v.blk.${i}.ln2`);
    tensors.push(...layer(`v.blk.${i}.ffn_up`, type, t.intermediate, t.hidden));
    tensors.push(...layer(`v.blk.${i}.ffn_down`, type, t.hidden, t.intermediate));
  }
  return tensors;
}

const mlpTensors = (from: number, width: number, type: StorageType): WriteTensor[] => [
  ...layer('mm.0', type, width, from),
  ...layer('mm.2', type, width, width),
];

const layer = (name: string, type: StorageType, out: number, from: number): WriteTensor[] => [
  { name: `${name}.weight`, type, shape: [out, from] },
  { name: `${name}.bias`, type: 'f32', shape: [out] },
];

/** Keys of the files that pumice writes, which variants need. */
function ownMetadata(s: LanguageShape, t: TowerShape, variant: SynthVariant): [string, WriteValue][] {
  const json = (value: Json): WriteValue => ({ type: 'string', value: JSON.stringify(value) });
  return [
    ['pumice.layers', { type: 'u32', value: s.layers }],
    [
      'pumice.config',
      json({
        model_type: 'llava_llama',
        hidden_size: s.hidden,
        intermediate_size: s.intermediate,
        num_hidden_layers: s.layers,
        num_attention_heads: s.heads,
        num_key_value_heads: s.kvHeads,
        vocab_size: s.vocabulary,
        max_position_embeddings: s.context,
        rms_norm_eps: 1e-5,
        mm_hidden_size: t.hidden,
        mm_vision_tower: 'inside',
        mm_vision_select_layer: -2,
        mm_vision_select_feature: 'patch',
        image_aspect_ratio: 'pad',
        ...variant.config,
      }),
    ],
    [
      'pumice.vision',
      json({
        hidden_size: t.hidden,
        intermediate_size: t.intermediate,
        // The last one is never run, and not in the file.
        num_hidden_layers: t.layers + 1,
        num_attention_heads: t.heads,
        image_size: t.imageSize,
        patch_size: t.patch,
        hidden_act: 'quick_gelu',
      }),
    ],
    ['pumice.preprocessor', json({ size: { shortest_edge: t.imageSize }, crop_size: { height: t.imageSize, width: t.imageSize } })],
  ];
}

function towerMetadata(t: TowerShape): [string, WriteValue][] {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  return [
    ['clip.has_vision_encoder', { type: 'bool', value: true }],
    ['clip.projector_type', { type: 'string', value: 'mlp' }],
    ['clip.vision.image_size', u32(t.imageSize)],
    ['clip.vision.patch_size', u32(t.patch)],
    ['clip.vision.embedding_length', u32(t.hidden)],
    ['clip.vision.feed_forward_length', u32(t.intermediate)],
    ['clip.vision.block_count', u32(t.layers)],
    ['clip.vision.attention.head_count', u32(t.heads)],
    ['clip.vision.attention.layer_norm_epsilon', { type: 'f32', value: 1e-5 }],
    ['clip.vision.image_mean', { type: 'f32s', value: [0.48145466, 0.4578275, 0.40821073] }],
    ['clip.vision.image_std', { type: 'f32s', value: [0.26862954, 0.26130258, 0.27577711] }],
  ];
}

/** A LLaMA-like vocabulary: three control tokens, 256 bytes, then words without meaning. */
function vocabulary(size: number): string[] {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const word = (n: number): string => (n < 26 ? letters[n]! : word(Math.floor(n / 26) - 1) + letters[n % 26]!);
  return Array.from({ length: size }, (_, i) => {
    if (i < 3) return ['<unk>', '<s>', '</s>'][i]!;
    if (i < 259) return `<0x${(i - 3).toString(16).toUpperCase().padStart(2, '0')}>`;
    return i === 259 ? '\u2581' : `${i % 2 ? '\u2581' : ''}${word(i >> 1)}`;
  });
}

/** Types that random matrices can have. */
export const SYNTH_TYPES: readonly StorageType[] = ['f16', 'q8_0', 'q6_k', 'q5_0', 'q4_0'];

const POOL_BLOCKS = 2 ** 15;

/** Random blocks of a type: weights of a standard deviation near 0.02, norms near 1. */
function pool(type: StorageType): Uint8Array {
  let s = 0x9e3779b9;
  const next = () => {
    s ^= s << 13;
    s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s;
  };
  const half = (x: number): [number, number] => [f32ToF16(x) & 255, f32ToF16(x) >> 8];
  const scale = () => 0.003 * (0.75 + next() / 2 ** 33);
  switch (type) {
    case 'f32':
      return new Uint8Array(Float32Array.from({ length: POOL_BLOCKS }, () => 1 + (next() / 2 ** 32 - 0.5) / 10).buffer);
    case 'f16':
      return new Uint8Array(Uint16Array.from({ length: POOL_BLOCKS }, () => f32ToF16((next() / 2 ** 32 - 0.5) * 0.07)).buffer);
    case 'q8_0':
    case 'q5_0':
    case 'q4_0': {
      const size = BLOCKS[type].bytes;
      const steps = { q8_0: 16, q5_0: 2, q4_0: 1 }[type];
      const bytes = new Uint8Array(POOL_BLOCKS * size);
      for (let b = 0; b < bytes.length; b += size) {
        bytes.set(half(scale() / steps), b);
        for (let i = 2; i < size; i++) bytes[b + i] = next() >>> 13;
      }
      return bytes;
    }
    case 'q6_k': {
      const { bytes: size } = BLOCKS.q6_k;
      const bytes = new Uint8Array(POOL_BLOCKS * size);
      for (let b = 0; b < bytes.length; b += size) {
        for (let i = 0; i < 192; i++) bytes[b + i] = next() >>> 13;
        for (let i = 192; i < 208; i++) bytes[b + i] = 64 + ((next() >>> 13) % 64);
        bytes.set(half(scale() / 256), b + 208);
      }
      return bytes;
    }
    default:
      throw new InputError(`synth: no random blocks of type ${type}: use ${SYNTH_TYPES.join(', ')}`);
  }
}

function* repeat(bytes: Uint8Array, total: number): Generator<Uint8Array> {
  for (let left = total; left > 0; left -= bytes.length) yield left < bytes.length ? bytes.subarray(0, left) : bytes;
}
